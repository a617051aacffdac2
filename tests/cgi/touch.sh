#!/bin/sh
# Leaves a trace of having run: the file QUERY_STRING.
: >"$QUERY_STRING"
printf 'Content-Type: text/plain\n\ntouched\n'
