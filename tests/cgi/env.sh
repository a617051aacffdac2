#!/bin/sh
# The environment that a script sees, one sorted NAME=VALUE per line.
printf 'Content-Type: text/plain\n\n'
env | LC_ALL=C sort
