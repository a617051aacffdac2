#!/usr/bin/env perl
# A FastCGI program that does what the query says, joined by "&": ms=N (takes so long), wait=FILE
# (until there is one), crash=abort or crash=exit (instead of an answer). It answers with its pid.
# $STORM_LOG, if set, is a file for a line when a request begins, when its answer is about to
# be sent, and when it ends.
# app.php, app.rb, app.go and app.sh, for fcgiwrap, are the same in other languages.
use strict;
use warnings;
use FCGI;
use POSIX ();
use Time::HiRes 'sleep';

my $request = FCGI::Request();
my $log;

open $log, ">>", $ENV{STORM_LOG} or die "$ENV{STORM_LOG}: $!\n" if $ENV{STORM_LOG};
sub note { syswrite $log, "$_[0] $$\n" if $log }

while ($request->Accept >= 0) {
	my %ask = map { split /=/, $_, 2 } split /&/, $ENV{QUERY_STRING} // '';

	note("begins");
	sleep($ask{ms} / 1000) if $ask{ms};
	sleep 0.01 while $ask{wait} && !-e $ask{wait};
	kill 'ABRT', $$ if ($ask{crash} // '') eq 'abort';
	POSIX::_exit(3) if $ask{crash};
	note("answers");
	print "Content-Type: text/plain\r\n\r\npid $$\n";
	$request->Finish;
	note("ends");
}
