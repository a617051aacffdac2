#!/bin/sh
# Answers and ends without reading any of the body.
exec </dev/null
printf 'Status: 413 Content Too Large\nContent-Type: text/plain\n\ntoo large\n'
