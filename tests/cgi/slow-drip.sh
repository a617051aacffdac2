#!/bin/sh
# A line each 0.2 s, QUERY_STRING lines (10).
printf 'Content-Type: text/plain\n\n'
i=1
while [ "$i" -le "${QUERY_STRING:-10}" ]; do
	echo "drip $i"
	sleep 0.2
	i=$((i + 1))
done
