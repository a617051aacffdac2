#!/bin/sh
# See app.pl: a CGI script. The pid is that of fcgiwrap, which crashes in its place.
read -r _ _ _ _ _ leader _ </proc/self/stat
IFS='&'
for ask in $QUERY_STRING; do
	case $ask in
	ms=*)
		ms=00${ask#*=}
		sleep "${ms%???}.${ms#"${ms%???}"}"
		;;
	wait=*) until [ -e "${ask#*=}" ]; do sleep 0.01; done ;;
	crash=abort) kill -ABRT "$leader" ;;
	crash=exit) kill -KILL "$leader" ;;
	esac
done
echo 'Content-Type: text/plain'
echo
echo "pid $leader"
