#!/bin/sh
# Will not hear TERM, for QUERY_STRING seconds (10); says its pid so that its end can be seen.
trap '' TERM
printf 'Content-Type: text/plain\n\npid=%s\n' $$
exec sleep "${QUERY_STRING:-10}"
