# What VMware Tools do in a guest, for one request: started by the lab in the guest's container, as root.
#
# Reads fields, each as "LENGTH\n" and its bytes: user, password, what to do, its arguments; then, for a file that
# is put, its contents. Answers "ok\n" and the result, or a vim fault's name, a newline, and its detail.
# The password is compared with the guest's own shadow file, and the work is done as that user.
use strict;
use warnings;
use Errno;
use Fcntl qw(:DEFAULT :mode);
use POSIX ();

$0 = 'vmtoolsd';
$SIG{PIPE} = 'IGNORE';
binmode STDIN;
binmode STDOUT;
my $records = '/run/vsphere-lab-tools';
my $kept_s = 300;     # "will be available if queried within 5 minutes after it completes"
my $grace_s = 5;      # what open-vm-tools give a process between SIGTERM and SIGKILL

sub field {
    my $length = <STDIN>;
    defined $length or exit 1;
    my $value = '';
    while (length $value < $length) {
        read(STDIN, $value, $length - length $value, length $value) or exit 1;
    }
    return $value;
}

sub answer { print @_; close STDOUT; exit 0 }
sub fail { my ($fault, $detail) = @_; answer("$fault\n", $detail // '') }

sub fail_on {
    my ($path) = @_;
    my $fault
        = $!{ENOENT} ? 'FileNotFound'
        : $!{EACCES} || $!{EPERM} ? 'GuestPermissionDenied'
        : $!{EEXIST} ? 'FileAlreadyExists'
        : $!{ENOTEMPTY} ? 'DirectoryNotEmpty'
        : $!{ENOTDIR} ? 'NotADirectory'
        : $!{EISDIR} ? 'NotAFile'
        : 'CannotAccessFile';
    fail($fault, $path);
}

my ($user, $password, $what) = (field(), field(), field());
my @account = getpwnam $user or fail('InvalidGuestLogin');
my ($uid, $gid, $home, $shell) = @account[2, 3, 7, 8];

sub check_password {
    open my $shadow, '<', '/etc/shadow' or fail('GuestOperationsFault');
    my ($hash) = map { (split /:/)[1] } grep { index($_, "$user:") == 0 } <$shadow>;
    fail('InvalidGuestLogin') if !defined $hash || $hash !~ /^[\$\w]/;
    my $made = crypt $password, $hash;
    fail('InvalidGuestLogin') if !defined $made || $made ne $hash;
}

sub become_user {
    my @groups;
    if (open my $file, '<', '/etc/group') {
        while (<$file>) {
            chomp;
            my ($id, $members) = (split /:/, $_, -1)[2, 3];
            push @groups, $id if grep { $_ eq $user } split /,/, $members;
        }
    }
    $) = join ' ', $gid, $gid, @groups;
    POSIX::setgid($gid);
    POSIX::setuid($uid);
    umask 022;
}

sub detach {
    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
}

sub note_process {
    my ($pid, @facts) = @_;
    mkdir $records, 0700;
    open my $file, '>', "$records/$pid.new" or return;
    print $file join "\0", @facts;
    close $file;
    rename "$records/$pid.new", "$records/$pid";
}

# The process that is started waits until the pid is known to whoever asked for it.
sub start_program {
    my ($program, $arguments, $folder, @environment) = @_;
    $folder = $home if $folder eq '';
    pipe my $from_keeper, my $to_us;
    if (!fork) {
        close $from_keeper;
        detach();
        pipe my $go, my $let_go;
        my $pid = fork;
        if (!$pid) {
            close $let_go;
            my $word = <$go>;
            become_user();
            chdir $folder or chdir '/';
            %ENV = @environment ? map { split /=/, $_, 2 } @environment
                : (HOME => $home, USER => $user, LOGNAME => $user, SHELL => $shell,
                   PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
            exec '/bin/bash', '-c', "$program $arguments" or POSIX::_exit(127);
        }
        my ($name) = $program =~ m{([^/]*)$};
        my @facts = ($name, $pid, $user, "$program $arguments", time);
        note_process($pid, @facts, '', '');
        print $to_us $pid;
        close $to_us;
        close $let_go;
        waitpid $pid, 0;
        my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
        note_process($pid, @facts, time, $status);
        POSIX::_exit(0);
    }
    close $to_us;
    my $pid = <$from_keeper>;
    answer("ok\n", $pid);
}

sub read_all {
    my ($path) = @_;
    open my $file, '<', $path or return undef;
    local $/;
    return scalar <$file> // '';
}

sub list_processes {
    my %wanted = map { $_ => 1 } @_;
    my %found;
    for my $path (glob '/proc/[0-9]*') {
        my ($pid) = $path =~ /(\d+)$/;
        my @stat = stat $path or next;
        next if $pid == $$ || (%wanted && !$wanted{$pid});
        my $name = read_all("$path/comm");
        my $line = read_all("$path/cmdline");
        next if !defined $name || !defined $line;
        chomp $name;
        $line =~ s/\0$//;
        $line =~ tr/\0/ /;
        $found{$pid} = [$name, $pid, scalar(getpwuid $stat[4]) // $stat[4], $line, $stat[9], '', ''];
    }
    my $born = (stat '/proc/1')[9];
    for my $path (glob "$records/*") {
        my ($pid) = $path =~ m{/(\d+)$} or next;
        my @facts = split /\0/, read_all($path) // '', -1;
        if (@facts < 7 || $facts[4] < $born || ($facts[5] ne '' && $facts[5] < time - $kept_s)) {
            unlink $path if $> == 0;
        } elsif ($facts[5] ne '' && (!%wanted || $wanted{$pid})) {
            $found{$pid} = \@facts;
        }
    }
    answer("ok\n", join "\0", map { @{ $found{$_} } } sort { $a <=> $b } keys %found);
}

sub terminate {
    my ($pid) = @_;
    fail('GuestProcessNotFound', $pid) if !-d "/proc/$pid";
    kill 'TERM', $pid or fail($!{ESRCH} ? 'GuestProcessNotFound' : 'GuestPermissionDenied', $pid);
    if (!fork) {
        detach();
        for (1 .. $grace_s * 10) {
            kill 0, $pid or POSIX::_exit(0);
            select undef, undef, undef, 0.1;
        }
        kill 'KILL', $pid;
        POSIX::_exit(0);
    }
    answer("ok\n");
}

sub make_temporary {
    my ($prefix, $suffix, $folder) = @_;
    $folder = '/tmp' if $folder eq '';
    for (1 .. 100) {
        my $path = "$folder/$prefix" . sprintf('%06x', int rand 1 << 24) . $suffix;
        answer("ok\n", $path) if mkdir $path, 0700;
        $!{EEXIST} or fail_on($folder);
    }
    fail('CannotAccessFile', $folder);
}

sub make_folder {
    my ($path, $parents) = @_;
    if ($parents) {
        my $above = '';
        for my $part (split m{/}, $path =~ s{/[^/]*/*$}{}r) {
            $above .= "$part/";
            -d $above || mkdir $above, 0755 or fail_on($above);
        }
    }
    mkdir $path, 0755 or fail_on($path);
    answer("ok\n");
}

sub remove_tree {
    my ($path) = @_;
    if (-d $path && !-l $path) {
        opendir my $folder, $path or fail_on($path);
        my @names = grep { $_ ne '.' && $_ ne '..' } readdir $folder;
        remove_tree("$path/$_") for @names;
        rmdir $path or fail_on($path);
    } else {
        unlink $path or fail_on($path);
    }
}

sub remove_folder {
    my ($path, $recursive) = @_;
    lstat $path or fail_on($path);
    fail('NotADirectory', $path) if !-d _;
    if ($recursive) { remove_tree($path) } else { rmdir $path or fail_on($path) }
    answer("ok\n");
}

sub remove_file {
    my ($path) = @_;
    lstat $path or fail_on($path);
    fail('NotAFile', $path) if -d _;
    unlink $path or fail_on($path);
    answer("ok\n");
}

sub list_files {
    my ($path) = @_;
    lstat $path or fail_on($path);
    my @paths = $path;
    if (-d _) {
        opendir my $folder, $path or fail_on($path);
        @paths = map { "$path/$_" } sort readdir $folder;
    }
    my @rows;
    for my $each (@paths) {
        my @stat = lstat $each or next;
        my $kind = S_ISDIR($stat[2]) ? 'directory' : S_ISLNK($stat[2]) ? 'symlink' : 'file';
        my $name = $each eq $path ? $each : $each =~ s{.*/}{}r;
        push @rows, $name, $kind, $stat[7], $stat[2] & 07777, @stat[4, 5, 9, 8];
    }
    answer("ok\n", join "\0", @rows);
}

sub check_put {
    my ($path, $overwrite) = @_;
    my ($folder) = $path =~ m{^(.*)/[^/]+$} or fail('FileNotFound', $path);
    -d "$folder/" or fail('FileNotFound', "$folder/");
    fail('InvalidArgument', $path) if -l $path;
    fail('NotAFile', $path) if -d $path;
    fail('FileAlreadyExists', $path) if -e $path && !$overwrite;
    fail('GuestPermissionDenied', $path) if !(-e $path ? -w $path : -w "$folder/");
    answer("ok\n");
}

sub put_file {
    my ($path, $mode, $size) = @_;
    sysopen my $file, $path, O_CREAT | O_TRUNC | O_WRONLY, 0600 or fail_on($path);
    chmod $mode, $file or fail_on($path);
    my $left = $size;
    while ($left > 0) {
        my $count = read STDIN, my $chunk, $left < 65536 ? $left : 65536;
        last if !$count;
        print $file $chunk or fail_on($path);
        $left -= $count;
    }
    close $file or fail_on($path);
    fail('CannotAccessFile', $path) if $left;
    answer("ok\n");
}

sub check_get {
    my ($path) = @_;
    my @stat = lstat $path or fail_on($path);
    fail('InvalidArgument', $path) if -l _;
    fail('NotAFile', $path) if -d _;
    open my $file, '<', $path or fail_on($path);
    answer("ok\n", join "\0", $stat[7], $stat[2] & 07777, @stat[4, 5, 9, 8]);
}

sub get_file {
    my ($path) = @_;
    open my $file, '<', $path or fail_on($path);
    binmode $file;
    print "ok\n", -s $file, "\n";
    while (read $file, my $chunk, 65536) { print $chunk or exit 1 }
    close STDOUT;
    exit 0;
}

check_password();
become_user() if $what ne 'start';
my %work = (
    validate => sub { answer("ok\n") },
    start => \&start_program,
    list => \&list_processes,
    terminate => \&terminate,
    mktemp => \&make_temporary,
    mkdir => \&make_folder,
    rmdir => \&remove_folder,
    rm => \&remove_file,
    files => \&list_files,
    'check-put' => \&check_put,
    put => \&put_file,
    'check-get' => \&check_get,
    get => \&get_file,
);
my $count = field();
$work{$what}->(map { field() } 1 .. $count);
