#!/bin/sh
# Forgets the header: its text stands where a header belongs.
echo 'this is no header'
printf 'Content-Type: text/plain\n\nbody\n'
