# Prints the software that programs in this sandbox find, one thing per line: kind, name and version, separated by tabs.
# What is not installed prints nothing. The last line is "end", so that half a list is not taken for a whole one.
export LC_ALL=C
cd /

dpkg-query --show --showformat='${db:Status-Status}\t${Package}\t${Version}\n' 2>/dev/null

python3 -B -c '
import importlib.metadata as metadata
for distribution in metadata.distributions():
    try:
        print("python", distribution.metadata["Name"], distribution.version, sep="\t")
    except Exception:
        pass
' 2>/dev/null

# Versions are read, not asked for: asking loads every module there is.
perl -e '
my %seen;
sub version {
    open(my $file, "<", shift) or return "";
    while (my $line = <$file>) {
        last if $line =~ /^__(END|DATA)__/ or $. > 2000;
        return $1 if $line =~ /\bVERSION\s*=\s*["\x27]?v?([0-9][0-9._]*)/;
        return $1 if $line =~ /^\s*package\s+[\w:]+\s+v?([0-9][0-9._]*)/;
    }
    return "";
}
sub walk {
    my ($directory, $prefix, $depth) = @_;
    opendir(my $entries, $directory) or return;
    for my $entry (sort readdir $entries) {
        if ($entry =~ /^(\w+)\.pm$/) {
            my $name = $prefix . $1;
            print "perl\t$name\t", version("$directory/$entry"), "\n" unless $seen{$name}++;
        } elsif ($entry =~ /^\w+$/ and $depth < 12 and -d "$directory/$entry" and not -l "$directory/$entry") {
            walk("$directory/$entry", "$prefix${entry}::", $depth + 1);
        }
    }
}
walk($_, "", 0) for grep { m{^/} } @INC;
' 2>/dev/null

libraries=$(ldconfig -p 2>/dev/null)
if [[ $libraries != *.so* ]]; then
    libraries=$(printf '%s\n' /lib*/lib*.so* /lib*/*/lib*.so* /usr/lib*/lib*.so* /usr/lib*/*/lib*.so*)
fi
while read -r name _; do
    name=${name##*/}
    [[ $name == lib*.so* && $name != *'*'* ]] && printf 'c\t%s\t\n' "$name"
done <<< "$libraries"

shopt -s nullglob
IFS=: read -ra directories <<< "$PATH"
for directory in "${directories[@]}"; do
    [[ -n $directory ]] || continue
    for file in "$directory"/*; do
        name=${file##*/}
        [[ -f $file && -x $file && $name != *[[:cntrl:]]* ]] && printf 'bin\t%s\t\n' "$name"
    done
done

printf 'end\t\t\n'
