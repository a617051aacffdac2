#!/bin/sh
# Says who it is, and "done" as soon as there is a file QUERY_STRING.
printf 'Content-Type: text/plain\n\nwaiting pid=%s\n' $$
i=0
until [ -e "$QUERY_STRING" ] || [ $i = 500 ]; do
	sleep 0.05
	i=$((i + 1))
done
echo "done"
