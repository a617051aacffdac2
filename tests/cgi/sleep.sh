#!/bin/sh
# Answers after QUERY_STRING seconds (10).
sleep "${QUERY_STRING:-10}"
printf 'Content-Type: text/plain\n\nslept\n'
