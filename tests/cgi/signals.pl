#!/usr/bin/env perl
# The names of the signals that this process found blocked and ignored.
use strict;
use warnings;
use Config;
use POSIX qw(sigprocmask SIG_BLOCK);

my %number;
@number{split ' ', $Config{sig_name}} = split ' ', $Config{sig_num};
# no aliases and no real-time signals; FPE is always ignored: perl itself does that
my @names = grep { !/^(ZERO|FPE|IOT|CLD|POLL|RTM.*|NUM.*|KILL|STOP)$/ } sort keys %number;
my $mask = POSIX::SigSet->new;
sigprocmask(SIG_BLOCK, POSIX::SigSet->new, $mask);

my @blocked = grep { $mask->ismember($number{$_}) == 1 } @names;
my @ignored = grep { ($SIG{$_} // '') eq 'IGNORE' } @names;

print "Content-Type: text/plain\n\n";
print "@{['blocked:', @blocked]}\n@{['ignored:', @ignored]}\n";
