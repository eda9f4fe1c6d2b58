# perl: hashes, strings that grow, regular expressions, closures, fork.
exec perl -e '
use strict; use warnings;
my %lengths; $lengths{$_} = "x" x ($_ % 5000) for 1 .. 20000;
my $sum = 0; $sum += length $lengths{$_} for sort keys %lengths; print "$sum\n";
my $text = ""; $text .= chr(97 + $_ % 26) x ($_ % 50) for 1 .. 20000;
my %words; $words{$1}++ while $text =~ /(([a-z])\2{0,9})/g;
print join(",", map { "$_=$words{$_}" } (sort keys %words)[0 .. 40]), "\n";
my @makers = map { my $n = $_; sub { my @list = (1 .. $n); return scalar reverse "@list" } } 1 .. 300;
my $total = 0; $total += length $_->() for @makers; print "$total\n";
for my $child (1 .. 8) {
    my $pid = open(my $from, "-|") // die "fork: $!";
    if (!$pid) { my @lists = map { [1 .. $_] } 1 .. 1000; print $child * @lists, "\n"; exit 0 }
    print <$from>; close $from;
}
my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 100003 } 1 .. 100000; print "@sorted[0 .. 9]\n";
'
