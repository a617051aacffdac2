#!/usr/bin/env perl
# remedies.pl SOURCE <MANUAL: whether each remedy of the table stands in the entry of DIAGNOSTICS for
# its message. The manual comes from mandoc, with a line for each paragraph.
use strict;
use warnings;

# Quotes do not count, and bold letters are struck twice.
sub plain {
	my ($text) = @_;
	$text =~ s/.\x08//g;
	$text =~ s/\\"/"/g;
	$text =~ tr/`'"//d;
	return $text;
}

my ($inside, $in_text, @entries);
while (my $line = plain($_ = <STDIN> // last)) {
	$inside = $line =~ /^DIAGNOSTICS/ if $line =~ /^\S/;
	next unless $inside && $line =~ /^( +)(\S.*)/;
	if (length $1 <= 5) {
		push @entries, { heads => [], text => '' } if $in_text || !@entries;
		push @{ $entries[-1]{heads} }, $2;
		$in_text = 0;
	} elsif (@entries) {
		$entries[-1]{text} .= " $2";
		$in_text = 1;
	}
}
open my $in, '<', $ARGV[0] or die "$ARGV[0]: $!";
my $source = do { local $/; <$in> };
$source =~ s/(?<!\\)"\s*"//g;
my ($rows, $bad) = (0, 0);
while ($source =~ /\{ "((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)" \}/g) {
	my ($part, $remedy) = map { plain($_) } $1, $2;
	$rows++;
	next if grep {
		my $entry = $_;
		index($entry->{text}, $remedy) >= 0 && grep { index($_, $part) >= 0 } @{ $entry->{heads} };
	} @entries;
	print "no entry for \"$part\" says: $remedy\n";
	$bad++;
}
exit($bad || $rows < 30 ? 1 : 0);
