#!/usr/bin/env perl
print "Content-Type: text/plain\n\nhello from perl\n";
