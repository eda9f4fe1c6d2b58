# Hashes, lists of lists, strings that grow, regular expressions, sorting.
use strict;
use warnings;

my $state = 7;
sub draw { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0] }

my (%lengths, %words, %tree);
$lengths{"key$_"} = "x" x draw(600) for 1 .. 40000;
my $sum = 0;
$sum += length $lengths{$_} for sort keys %lengths;
my $text = "";
$text .= chr(97 + draw(26)) x (1 + draw(6)) . (draw(5) ? "" : " ") for 1 .. 60000;
$words{$1}++ while $text =~ /((?:([a-z])\2*){1,3})/g;
for my $word (split / /, $text) {
    push @{ $tree{substr($word, 0, 1)}{length $word} }, [$word, scalar reverse $word];
}
my $all = 0;
for my $first (sort keys %tree) {
    for my $length (sort { $a <=> $b } keys %{ $tree{$first} }) {
        my @sorted = sort { $a->[1] cmp $b->[1] } @{ $tree{$first}{$length} };
        $all += length(join ",", map { $_->[0] } @sorted);
    }
}
delete $lengths{"key$_"} for grep { $_ % 3 } 1 .. 40000;
$lengths{"new$_"} = "y" x draw(900) for 1 .. 20000;
$sum += length for values %lengths;
my @sorted = sort { $a <=> $b } map { draw(32768) } 1 .. 100000;
print "$sum $all ", scalar(keys %words), " @sorted[0, 50000, 99999]\n";
