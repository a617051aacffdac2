#!/usr/bin/env perl
# A FastCGI program that stays: tells who and where it is.
use strict;
use warnings;
use Cwd;
use FCGI;

my $request = FCGI::Request();
while ($request->Accept >= 0) {
	print "Content-Type: text/plain\r\n\r\n",
		"Hello from $$, uid $< gid ", $( + 0, ", in ", getcwd(), "\n";
}
