#!/bin/sh
# Answers and leaves, but a grandchild holds its pipes for QUERY_STRING seconds (5) more.
printf 'Content-Type: text/plain\n\nleft a daemon\n'
sleep "${QUERY_STRING:-5}" &
exit 0
