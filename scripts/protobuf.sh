#!/bin/sh
# Make the Python module of longwire.proto anew, after an edit of it. The result is committed, so
# nobody else needs this. It runs in a throw-away environment with grpcio-tools, which brings a
# protoc; this one's modules load with every protobuf from 6.31 on.
set -eu
cd "$(dirname "$0")/.."
folder=src/longwire/streams/protobuf
tools=.cache/protobuf
if [ ! -x "$tools/bin/python" ]; then
    .venv/bin/python -m venv "$tools"
    "$tools/bin/pip" install --quiet "grpcio-tools==1.73.1" "setuptools"
fi
"$tools/bin/python" -m grpc_tools.protoc -I "$folder" --python_out="$folder" --pyi_out="$folder" \
    "$folder/longwire.proto"
