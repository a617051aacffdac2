#!/bin/sh
printf "Content-Type: text/plain\n\nnever\n"
