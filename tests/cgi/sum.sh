#!/bin/sh
# The length of the body in bytes and its POSIX checksum, as cksum prints them.
printf 'Content-Type: text/plain\n\n'
cksum | while read -r sum bytes; do
	echo "bytes=$bytes cksum=$sum"
done
