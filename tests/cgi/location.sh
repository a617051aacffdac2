#!/bin/sh
# A redirection without Status, to QUERY_STRING.
printf 'Location: %s\n\n' "${QUERY_STRING:-http://localhost/elsewhere}"
