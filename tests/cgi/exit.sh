#!/bin/sh
# Ends with the exit status in QUERY_STRING, after a whole answer.
printf 'Content-Type: text/plain\n\nexit %s\n' "$QUERY_STRING"
exit "${QUERY_STRING:-0}"
