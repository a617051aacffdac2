#!/bin/sh
# What CONTENT_LENGTH says, and how many bytes there are.
printf 'Content-Type: text/plain\n\nCONTENT_LENGTH=%s\nbytes=%s\n' \
	"${CONTENT_LENGTH-unset}" "$(wc -c | tr -d ' ')"
