package main

import "context"

func selfTest(ctx context.Context, s settings) (bool, error) { return false, nil }
