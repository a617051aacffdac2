#!/usr/bin/env perl
# A FastCGI program that does what the query asks for, joined by "&": ms=N (takes so long),
# wait=FILE (until there is one), spin=1 (for ever), body=1 (reads all of the body), leave=N (a
# sleep of N seconds behind), say=TEXT (on its real stderr), grow=MB, big=MB (so much answer), exit=N (after the answer). Answers with its pid and uid. Its argument says how it takes TERM: "naive" dies by it,
# "deaf" ignores it; without one it finishes its request, as the library does.
use strict;
use warnings;
use FCGI;
use POSIX ();
use Time::HiRes 'sleep';

my $manner = shift // '';
my $request = FCGI::Request();
my $ballast = '';
$SIG{TERM} = 'DEFAULT' if $manner eq 'naive';
$SIG{TERM} = 'IGNORE' if $manner eq 'deaf';

sub write_stderr { POSIX::write(2, $_[0], length $_[0]) }

write_stderr("hello\n");
while ($request->Accept >= 0) {
	my %ask = map { split /=/, $_, 2 } split /&/, $ENV{QUERY_STRING} // '';

	sleep($ask{ms} / 1000) if $ask{ms};
	sleep 0.01 while $ask{wait} && !-e $ask{wait};
	1 while $ask{spin};
	if ($ask{body}) {
		read STDIN, my $body, $ENV{CONTENT_LENGTH};
	}
	system "sleep $ask{leave} </dev/null >/dev/null 2>&1 &" if $ask{leave};
	write_stderr("$ask{say}\n") if $ask{say};
	$ballast .= 'x' x ($ask{grow} << 20) if $ask{grow};
	print "Content-Type: text/plain\r\n\r\npid $$ uid $<\n";
	print 'x' x 65536 for 1 .. 16 * ($ask{big} // 0);
	$request->Finish;
	POSIX::_exit($ask{exit}) if defined $ask{exit};
}
