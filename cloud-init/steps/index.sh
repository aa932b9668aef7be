#!/usr/bin/env bash
# index.sh SOURCE: what chartwell-vectorize.service runs. Brings the documents of the bucket to the data volume, then
# becomes the pipeline. Exit code: the pipeline's own; 0 where there is nothing to index yet; 75 where fetching failed.
set -euo pipefail
umask 077

here=$(cd "$(dirname "$0")" && pwd)
app="${HOST_MOUNT_POINT:-/data}/app"
python="${HOST_PYTHON:-$app/current/bin/python}"
status=0
"$python" -B "$here/fetch_documents.py" "${1:?source}" "$app/documents" || status=$?
case $status in
  0) ;;
  3)
    echo "nothing to index: $1 holds no documents yet"
    exit 0
    ;;
  *) exit 75 ;;
esac
exec "$python" -m pipeline.vectorize notes "$app/documents"
