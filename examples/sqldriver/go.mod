module github.com/brickfed/brickfed/examples/sqldriver

go 1.25.0

replace github.com/brickfed/brickfed => ../..
