#!/usr/bin/env bash
# The client in Python, which was written from the documents of the protocol alone, against broker and programs.
# SPDX-License-Identifier: MIT
. "${0%/*}/../e2e/lib.sh"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
python=/usr/bin/python3 # Debian's, to which the packages belong
if ! "$python" -c 'import zmq, google.protobuf' 2>/dev/null || ! command -v protoc >/dev/null; then
  echo "no python3-zmq, python3-protobuf or protobuf-compiler: deploy/install-deps.sh test"
  exit 77
fi
generated=${RUNNEL_BUILD:?the build directory}/python
mkdir -p "$generated"
protoc -I "$here/../../proto" --python_out="$generated" runnel.proto
broker_start
export PYTHONPATH=$here:$generated PYTHONDONTWRITEBYTECODE=1
"$python" "$here/test_client.py" -v || fail "the client in Python"
balanced
kill_hard "$broker"

# The same session on encrypted links.
runnel keygen "$work/broker.key" >"$work/key"
RUNNEL_BROKER_KEY=$(<"$work/key")
export RUNNEL_BROKER_KEY
broker_start tcp://127.0.0.1:0 --keyfile "$work/broker.key"
"$python" "$here/test_client.py" -v -k receives || fail "the client in Python, encrypted"
balanced
