#!/usr/bin/env perl
use strict;
use warnings;

# A variable that the request does not have is not set.
my %request = map { $_ => $ENV{$_} // '' } qw(REQUEST_METHOD PATH_INFO QUERY_STRING);

# The reply: header lines, an empty line, and whatever belongs to them.
print <<"END";
Content-Type: text/plain; charset=utf-8

Hello from Perl!

method     $request{REQUEST_METHOD}
path-info  $request{PATH_INFO}
query      $request{QUERY_STRING}
pid        $$
END
