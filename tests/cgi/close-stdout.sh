#!/bin/sh
# Lets go of its output, works on, and touches the file in QUERY_STRING at the end,
# if that is an absolute path.
printf 'Content-Type: text/plain\n\nworking on\n'
exec >/dev/null 2>&1
sleep 1
case $QUERY_STRING in
/*) : >"$QUERY_STRING" ;;
esac
