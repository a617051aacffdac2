#!/bin/sh
# Answers with the HTTP status in QUERY_STRING: 404, or 404+Not+Found.
status=$(printf '%s' "$QUERY_STRING" | tr + ' ')
printf 'Status: %s\nContent-Type: text/plain\n\nstatus %s\n' "$status" "$status"
