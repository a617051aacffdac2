#!/usr/bin/env perl
# Tries all ways back to root that it knows, and prints those that work.
use strict;
use warnings;
use POSIX ();

my %ways = (
	'$>' => sub { $> = 0; $> == 0 },
	'$<' => sub { $< = 0; $< == 0 },
	'swap' => sub { ($<, $>) = ($>, $<); $< == 0 || $> == 0 },
	'setuid' => sub { POSIX::setuid(0) },
	'setgid' => sub { POSIX::setgid(0) },
	'$)' => sub { $) = '0 0'; $) =~ /^0\b/ },
	'$(' => sub { $( = 0; $( =~ /^0\b/ },
	'groups' => sub { grep { $_ == 0 } split ' ', $) },
	'shadow' => sub { open my $file, '<', '/etc/shadow' },
	'chroot' => sub { chroot '/' },
);
for my $way (sort keys %ways) {
	print "root again by $way\n" if $ways{$way}->();
}
print "tried\n";
