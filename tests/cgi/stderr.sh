#!/bin/sh
# Complains before, between and after its output.
echo 'complaint 1' >&2
printf 'Content-Type: text/plain\n\nline 1\n'
echo 'complaint 2' >&2
echo 'line 2'
echo 'complaint 3' >&2
