#!/bin/sh
# How the script was called, and where it is.
printf 'Content-Type: text/plain\n\nname=%s\narguments=%s\ndirectory=%s\n' "$0" "$#" "$(pwd -P)"
