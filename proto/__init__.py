"""Wire schemas: BuildKit's protobuf LLB to `llb` values and back.

Empty so far: the conversion comes with the issue that needs it.
"""
