#!/bin/sh
#: Copies what a covetd keeps, while it runs or not.
#:
#: usage: backup.sh DATA_DIR TARGET
#:
#: DATA_DIR is its storage.data_dir, TARGET a folder that this makes. Run it as the user of covetd, or as root. Needs sqlite3.
#: A restore is a copy of TARGET put in the place of the data directory; docs/operations.md tells what clients notice.
set -eu
for argument; do
  case "$argument" in
    -h | --help) sed -n 's/^#: \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "$0: unknown option '$argument'; --help tells what there is" >&2; exit 2 ;;
  esac
done
[ $# -eq 2 ] || { echo "usage: $0 DATA_DIR TARGET" >&2; exit 2; }
data=$1 target=$2
command -v sqlite3 >/dev/null || { echo "$0: sqlite3 is not installed" >&2; exit 1; }
[ -d "$data" ] || { echo "$0: $data is not a directory" >&2; exit 1; }
umask 077
mkdir "$target"

# One transaction reads all of it, whatever is written meanwhile; what was acknowledged before it began is in the copy.
copy_database() {
  sqlite3 -bail -cmd '.timeout 30000' "$data/$1" "VACUUM INTO '$target/$1'"
  [ "$(sqlite3 "$target/$1" 'PRAGMA quick_check')" = ok ] || { echo "$0: the copy of $1 is damaged" >&2; exit 1; }
}

# Uploads end while their folder is copied, and files are deleted: what is not where it was when the folder was listed was
# moved to the folder that is copied next, or is nobody's any more. Any other failure is one.
copy_folder() {
  mkdir "$target/$1"
  for file in "$data/$1"/*; do
    copy="$target/$1/${file##*/}"
    problem="$(cp -a --reflink=auto "$file" "$copy" 2>&1)" || {
      rm -f "$copy"
      [ ! -e "$file" ] || { echo "$0: $file cannot be copied: $problem" >&2; exit 1; }
    }
  done
}

found=0
# Who is connected (members.db) and which copy is which (events.instance) belong to the running process alone.
for role in rooms streams; do
  [ -f "$data/$role/events.db" ] || continue
  mkdir "$target/$role"
  copy_database "$role/events.db"
  found=1
done
if [ -f "$data/files/metadata.sqlite" ]; then
  mkdir "$target/files"
  # In this order: what the metadata names is there when its folder is copied. A file goes from `incoming` to `kept`.
  copy_database files/metadata.sqlite
  [ ! -e "$data/files/url_key" ] || cp -a "$data/files/url_key" "$target/files/"
  for part in incoming kept; do
    [ ! -d "$data/files/$part" ] || copy_folder "files/$part"
  done
  found=1
fi
[ "$found" = 1 ] || { rmdir "$target"; echo "$0: $data holds no data of covetd" >&2; exit 1; }
sync -f "$target"
du -sh "$target"
