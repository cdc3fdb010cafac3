"""The messages of ``longwire.v1.protobuf``: longwire.proto, and the module made of it.

Server and client both speak them. Importing ``longwire_pb2`` needs the extra ``protobuf``.
"""
