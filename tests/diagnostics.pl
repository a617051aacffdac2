#!/usr/bin/env perl
# diagnostics.pl MANUAL SOURCE...: whether each entry of DIAGNOSTICS is the beginning of a message
# that the sources have, as far as their format strings show it.
use strict;
use warnings;

my ($manual, @sources) = @ARGV;
my @formats;
for my $file (@sources) {
	open my $in, '<', $file or die "$file: $!";
	my $text = do { local $/; <$in> };
	$text =~ s/" *(?:PRI\w+|PACKAGE_VERSION) *"/%s/g;
	$text =~ s/"\s*SHOWN\s*"/%s/g;
	$text =~ s/(?<!\\)"\s*"//g;
	push @formats, [split /(%[-.*0-9]*(?:l|ll|z|j)?[a-zA-Z])/, $1] while $text =~ /"((?:[^"\\\n]|\\.)*)"/g;
}
# Whether the text is the beginning of what the format makes, and how much of that is literal.
sub begins {
	my ($text, $literal, $first, @rest) = @_;
	return $literal if $text eq '';
	return $literal unless defined $first; # other pieces follow
	return begins($text, $literal, @rest) if $first eq '';
	if ($first =~ /^%/) {
		my $next = shift @rest;
		return $literal unless defined $next && $next ne '';
		$next =~ s/\\(.)/$1/g;
		my $at = index $text, $next;
		# The text may end within this piece.
		return $at < 0 ? $literal : begins(substr($text, $at), $literal, $next, @rest);
	}
	$first =~ s/\\(.)/$1/g;
	return begins(substr($text, length $first), $literal + length $first, @rest)
		if index($text, $first) == 0;
	return index($first, $text) == 0 ? $literal + length $text : 0;
}
# Also behind a piece that comes first.
sub matches {
	my ($text, @format) = @_;
	while (@format) {
		return 1 if begins($text, 0, @format) >= 8;
		shift @format while @format && $format[0] !~ /^%/;
		shift @format;
		$format[0] =~ s/^[: ]+// if @format;
	}
	return 0;
}
open my $in, '<', $manual or die;
my ($inside, $checked, $bad) = (0, 0, 0);
while (<$in>) {
	$inside = /^\.Sh DIAGNOSTICS/ if /^\.Sh/;
	next unless $inside && s/^\.It //;
	chomp;
	s/\\&//g; s/\\\(dq/"/g; s/\\-/-/g; s/\.\.\..*//; s/^"(.*)"$/$1/;
	$checked++;
	my $entry = $_;
	$entry =~ s|^script [^:]*: ||;
	next if grep { matches($entry, @$_) } @formats;
	print "no message begins like this: $entry\n";
	$bad++;
}
exit($bad || $checked < 10 ? 1 : 0);
