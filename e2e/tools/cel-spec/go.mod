module sallyport.dev/tools/cel-spec

go 1.26.0

require cel.dev/expr v0.26.0

require google.golang.org/protobuf v1.36.10 // indirect
