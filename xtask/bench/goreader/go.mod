module provost.test/goreader

go 1.25
