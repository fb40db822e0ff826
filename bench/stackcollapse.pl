#!/usr/bin/perl
# What a Perl program for this does, with a pattern for each line: samples of `perf script` in, a line
# for each different stack out, its functions from the outermost in. It stands in for
# stackcollapse-perf.pl, which is in none of the package registries that the benchmark installs from.
use strict;
use warnings;

my (%count, @stack);
my ($command, $open) = ("", 0);

while (my $line = <>) {
  chomp $line;
  if ($line =~ m/^$/) {
    $count{join(";", $command, reverse @stack)}++ if $open;
    @stack = ();
    $open = 0;
  } elsif ($line =~ /^(\S.+?)\s+(\d+)\/*(\d+)*\s+/) {
    $command = $1;
    $command =~ tr/ /_/;
    $open = 1;
  } elsif ($line =~ /^\s*(\w+)\s*(.+) \((.*)\)/) {
    my ($address, $function, $module) = ($1, $2, $3);
    $function =~ s/\+0x[\da-f]+$//;
    $function = "[$module]" if $function eq "[unknown]";
    push @stack, $function;
  }
}
$count{join(";", $command, reverse @stack)}++ if $open;
print "$_ $count{$_}\n" foreach sort keys %count;
