package main

//go:generate ../../../node_modules/.bin/buf generate ../../../proto --path ../../../proto/zmesh/v1
