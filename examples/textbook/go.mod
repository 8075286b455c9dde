module example.com/shop/orders

go 1.21

toolchain go1.27.4
