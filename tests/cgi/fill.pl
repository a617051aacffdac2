#!/usr/bin/env perl
# Numbered lines of 20 bytes until nobody has taken any for half a second: whatever can hold
# output is full when this script ends. The number of lines goes to the file QUERY_STRING.
use strict;
use warnings;
use Fcntl;
use Time::HiRes 'sleep';

syswrite STDOUT, "Content-Type: text/plain\n\n";
fcntl STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK;
my ($lines, $patience) = (0, 50);
while ($patience > 0) {
	my $written = syswrite STDOUT, sprintf("%019d\n", $lines);

	if ($written) {
		$lines++;
		$patience = 50;
	} else {
		$patience--;
		sleep 0.01;
	}
}
open my $file, '>', "$ENV{QUERY_STRING}.new" or die;
print $file $lines, "\n";
close $file;
rename "$ENV{QUERY_STRING}.new", $ENV{QUERY_STRING};
