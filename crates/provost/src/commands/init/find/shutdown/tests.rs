//! Shapes that the end of a service has in Go.

use super::super::View;
use super::super::file::{self, GoFile};
use super::*;

const IMPORTS: &str = "import (\n\"context\"\n\"flag\"\n\"net/http\"\n\"os\"\n\"os/signal\"\n\"sync\"\n\"syscall\"\n\"time\"\n)\n";

/// The packages of a program, each of some files; the first line of a file may say its package.
fn read_all(packages: &[&[&str]]) -> Shutdown {
    let files: Vec<Vec<GoFile>> = packages
        .iter()
        .map(|files| {
            let whole = |text: &&str| match text.starts_with("package ") {
                true => (*text).to_owned(),
                false => format!("package main\n{IMPORTS}{text}"),
            };
            files.iter().map(|text| file::read(&whole(text))).collect()
        })
        .collect();
    read(&View { packages: files.iter().map(|files| files.iter().collect()).collect() })
}

/// `LAME_DUCK DRAIN`, each `?` where it is not known and `-` where there is none.
fn shown(packages: &[&[&str]]) -> String {
    let found = read_all(packages);
    let lame_duck = match &found.lame_duck {
        LameDuck::Known(seconds, _) => seconds.to_string(),
        LameDuck::Unknown(what) => format!("?{what}"),
        LameDuck::Unseen => "-".to_owned(),
    };
    let told = |told: &Option<Told>| told.as_ref().map(|told| format!("({})", told.name));
    format!(
        "{lame_duck}{} {}{}",
        told(&found.waits_for).unwrap_or_default(),
        found.drain.map_or("-".to_owned(), |seconds| seconds.to_string()),
        told(&found.drains_for).unwrap_or_default()
    )
}

fn assert_shown(source: &str, expected: &str) {
    assert_eq!(shown(&[&[source]]), expected, "{source}");
}

const NOTIFY: &str = "ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)\ndefer stop()\ngo srv.ListenAndServe()\n";

#[test]
fn a_sleep_between_the_signal_and_the_shutdown_is_the_lame_duck() {
    for (body, expected) in [
        ("<-ctx.Done()\ntime.Sleep(5 * time.Second)\nsrv.Shutdown(c)", "5 -"),
        ("<-ctx.Done()\nsrv.Shutdown(c)", "0 -"),
        ("<-ctx.Done()\nready.Store(false)\n<-time.After(delay)\nsrv.Shutdown(c)", "7 -"),
        ("<-ctx.Done()\nt := time.NewTimer(time.Minute)\n<-t.C\nsrv.Shutdown(c)", "60 -"),
        ("<-ctx.Done()\ntime.Sleep(1500 * time.Millisecond)\nsrv.Shutdown(c)", "2 -"),
        ("<-ctx.Done()\ntime.Sleep(time.Duration(3) * time.Second)\nsrv.Shutdown(c)", "3 -"),
        ("<-ctx.Done()\ntime.Sleep(seconds * time.Second)\nsrv.Shutdown(c)", "4 -"),
        ("<-ctx.Done()\ntime.Sleep(delay + 2*time.Second)\nsrv.Shutdown(c)", "9 -"),
        ("<-ctx.Done()\nif delay > 0 {\ntime.Sleep(delay)\n}\nsrv.Shutdown(c)", "7 -"),
        // Before the signal and after the shutdown nobody is waiting for the listener.
        ("time.Sleep(9 * time.Second)\n<-ctx.Done()\nsrv.Shutdown(c)", "0 -"),
        ("<-ctx.Done()\nsrv.Shutdown(c)\ntime.Sleep(9 * time.Second)", "0 -"),
        (
            "for !ready() {\ntime.Sleep(time.Second)\n}\n<-ctx.Done()\ntime.Sleep(delay)\nif err := srv.Shutdown(c); err != nil {\nlog.Fatal(err)\n}",
            "7 -",
        ),
        // Where there are two ways, the longer one has to fit.
        (
            "<-ctx.Done()\nif prod {\ntime.Sleep(10 * time.Second)\n} else {\ntime.Sleep(time.Second)\n}\nsrv.Shutdown(c)",
            "10 -",
        ),
        ("defer srv.Shutdown(c)\n<-ctx.Done()\ntime.Sleep(delay)", "7 -"),
        ("defer func() {\ntime.Sleep(delay)\nsrv.Shutdown(c)\n}()\n<-ctx.Done()", "7 -"),
        ("<-ctx.Done()\ntime.AfterFunc(delay, func() {\nsrv.Shutdown(c)\n})\n<-done", "7 -"),
        (
            "<-ctx.Done()\nvar once sync.Once\nonce.Do(func() {\ntime.Sleep(delay)\nsrv.Shutdown(c)\n})",
            "7 -",
        ),
        (
            "<-ctx.Done()\nvar wg sync.WaitGroup\nwg.Add(1)\ngo func() {\ndefer wg.Done()\nsrv.Shutdown(c)\n}()\nwg.Wait()",
            "0 -",
        ),
        // It is no server that ends here.
        ("<-ctx.Done()\ntracerProvider.Shutdown(c)\ntime.Sleep(delay)\nsrv.Shutdown(c)", "7 -"),
        // A second signal ends the wait, and the program.
        (
            "<-ctx.Done()\nselect {\ncase <-time.After(delay):\ncase <-again:\nos.Exit(1)\n}\nsrv.Shutdown(c)",
            "7 -",
        ),
    ] {
        let source = format!(
            "const delay = 7 * time.Second\nconst seconds = 4\nfunc main() {{\n{NOTIFY}{body}\n}}\n"
        );
        assert_shown(&source, expected);
    }
}

#[test]
fn a_wait_whose_length_is_not_said_is_not_claimed() {
    for (body, expected) in [
        ("<-ctx.Done()\ntime.Sleep(delay())\nsrv.Shutdown(c)", "?delay -"),
        ("<-ctx.Done()\ntime.Sleep(cfg.Pause)\nsrv.Shutdown(c)", "?Pause -"),
        ("<-ctx.Done()\nwg.Wait()\nsrv.Shutdown(c)", "?Wait -"),
        ("<-ctx.Done()\nfor busy() {\ntime.Sleep(time.Second)\n}\nsrv.Shutdown(c)", "? -"),
        ("<-ctx.Done()\ntime.Sleep(delays[0])\nsrv.Shutdown(c)", "? -"),
        ("<-ctx.Done()\ntime.Sleep(limit - 5*time.Second)\nsrv.Shutdown(c)", "? -"),
        ("<-ctx.Done()\nclock.Sleep(ctx, 5*time.Second)\nsrv.Shutdown(c)", "?Sleep -"),
        (
            "d := time.Second\nif prod {\nd = 10 * time.Second\n}\n<-ctx.Done()\ntime.Sleep(d)\nsrv.Shutdown(c)",
            "?d -",
        ),
        // Nobody has a grace period of a day.
        ("<-ctx.Done()\ntime.Sleep(24 * time.Hour)\nsrv.Shutdown(c)", "? -"),
    ] {
        assert_shown(&format!("func main() {{\n{NOTIFY}{body}\n}}\n"), expected);
    }
}

#[test]
fn the_ways_that_a_signal_is_taken() {
    for (source, expected) in [
        (
            "func main() {\nquit := make(chan os.Signal, 1)\nsignal.Notify(quit, syscall.SIGTERM)\ngo serve()\n<-quit\ntime.Sleep(5 * time.Second)\nsrv.Shutdown(c)\n}\n",
            "5 -",
        ),
        (
            "func main() {\nc := make(chan os.Signal, 1)\nsignal.Notify(c, syscall.SIGTERM)\nfailed := make(chan error, 1)\ngo func() { failed <- srv.ListenAndServe() }()\nselect {\ncase err := <-failed:\nlog.Fatal(err)\ncase s := <-c:\nlog.Print(s)\ntime.Sleep(5 * time.Second)\n}\nsrv.Shutdown(ctx)\n}\n",
            "5 -",
        ),
        (
            "func main() {\nc := make(chan os.Signal, 1)\nsignal.Notify(c)\nfor sig := range c {\nif sig == syscall.SIGHUP {\nreload()\ncontinue\n}\ntime.Sleep(6 * time.Second)\nsrv.Shutdown(ctx)\nreturn\n}\n}\n",
            "6 -",
        ),
        (
            "func main() {\nfor {\nselect {\ncase <-ctx.Done():\ntime.Sleep(6 * time.Second)\nsrv.Shutdown(c)\nreturn\ncase m := <-messages:\nhandle(m)\n}\n}\n}\n",
            "6 -",
        ),
        // In a goroutine beside the server.
        (
            "func main() {\nidle := make(chan struct{})\ngo func() {\nsigint := make(chan os.Signal, 1)\nsignal.Notify(sigint, syscall.SIGTERM)\n<-sigint\ntime.Sleep(8 * time.Second)\nsrv.Shutdown(context.Background())\nclose(idle)\n}()\nsrv.ListenAndServe()\n<-idle\n}\n",
            "8 -",
        ),
        (
            "func main() {\ng, gctx := errgroup.WithContext(ctx)\ng.Go(func() error {\nreturn srv.ListenAndServe()\n})\ng.Go(func() error {\n<-gctx.Done()\ntime.Sleep(3 * time.Second)\nlimit, cancel := context.WithTimeout(context.Background(), 20*time.Second)\ndefer cancel()\nreturn srv.Shutdown(limit)\n})\ng.Wait()\n}\n",
            "3 20",
        ),
        (
            "func main() {\ncontext.AfterFunc(ctx, func() {\ntime.Sleep(3 * time.Second)\nsrv.Shutdown(c)\n})\nsrv.ListenAndServe()\n}\n",
            "3 -",
        ),
        // oklog/run, fx and others call what closes when the signal has come.
        (
            "func main() {\nvar g run.Group\ng.Add(func() error {\nreturn srv.ListenAndServe()\n}, func(error) {\ntime.Sleep(4 * time.Second)\nsrv.Shutdown(c)\n})\ng.Add(run.SignalHandler(ctx, syscall.SIGTERM))\ng.Run()\n}\n",
            "4 -",
        ),
        (
            "type app struct{}\nfunc (a *app) stop(ctx context.Context) error {\ntime.Sleep(4 * time.Second)\nreturn a.http.Shutdown(ctx)\n}\nfunc main() {\nlifecycle.Append(fx.Hook{OnStart: a.start, OnStop: a.stop})\n}\n",
            "4 -",
        ),
        // It listens until it ends.
        ("func main() {\ngo serve()\n<-ctx.Done()\ntime.Sleep(5 * time.Second)\n}\n", "5 -"),
        ("func main() {\ngo serve()\n<-ctx.Done()\n}\n", "- -"),
        ("func main() {\napp.Run()\n}\n", "- -"),
        // A signal that is only looked for while a dependency is waited for.
        (
            "func main() {\nconnect(ctx)\ntime.Sleep(2 * time.Second)\ngo serve()\n<-ctx.Done()\ntime.Sleep(5 * time.Second)\nsrv.Shutdown(c)\n}\nfunc connect(ctx context.Context) {\nfor {\nselect {\ncase <-ctx.Done():\nreturn\ncase <-time.After(time.Second):\n}\n}\n}\n",
            "5 -",
        ),
    ] {
        assert_shown(source, expected);
    }
}

#[test]
fn calls_are_followed_through_the_module() {
    let main =
        "func main() {\ngo srv.ListenAndServe()\n<-ctx.Done()\ndrain(srv, 6*time.Second)\n}\n";
    let drain = "func drain(srv *http.Server, delay time.Duration) {\nready.Store(false)\nsleep(ctx, delay)\nsrv.Shutdown(ctx)\n}\n\
                 func sleep(ctx context.Context, d time.Duration) {\nselect {\ncase <-time.After(d):\ncase <-ctx.Done():\n}\n}\n";
    assert_eq!(shown(&[&[main, drain]]), "6 -");
    // In another package, by a field.
    let main = "package main\nimport (\n\"context\"\n\"os/signal\"\n\"example.com/a/internal/server\"\n)\n\
                func main() {\nctx, stop := signal.NotifyContext(context.Background())\ns := server.New(server.Config{Delay: server.DefaultDelay, Timeout: 9 * time.Second})\ns.Run(ctx)\n}\n";
    let server = "package server\nimport (\n\"context\"\n\"net/http\"\n\"time\"\n)\n\
                  const DefaultDelay = 5 * time.Second\ntype Config struct {\nDelay time.Duration\nTimeout time.Duration\n}\n\
                  func (s *Server) Run(ctx context.Context) error {\ngo s.http.ListenAndServe()\n<-ctx.Done()\nreturn s.Shutdown()\n}\n\
                  func (s *Server) Shutdown() error {\ns.ready.Store(false)\ntime.Sleep(s.cfg.Delay)\nctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timeout)\ndefer cancel()\nreturn s.http.Shutdown(ctx)\n}\n";
    assert_eq!(shown(&[&[main], &[server]]), "5 9");
    // A function that waits for the signal, and one that is a value.
    let main = "func main() {\nshutdown := func() {\ntime.Sleep(2 * time.Second)\nsrv.Shutdown(ctx)\n}\nawait()\nshutdown()\n}\n\
                func await() {\nc := make(chan os.Signal, 1)\nsignal.Notify(c, syscall.SIGTERM)\n<-c\ntime.Sleep(time.Second)\n}\n";
    assert_eq!(shown(&[&[main]]), "3 -");
    // Functions that call each other end.
    let main = "func main() {\n<-ctx.Done()\na()\n}\nfunc a() {\ntime.Sleep(time.Second)\nb()\n}\nfunc b() {\na()\nsrv.Shutdown(c)\n}\n";
    assert_eq!(shown(&[&[main]]), "1 -");
}

#[test]
fn settings_say_how_long_with_their_defaults() {
    let main = |config: &str, delay: &str| {
        format!(
            "{config}\nfunc main() {{\n{NOTIFY}<-ctx.Done()\ntime.Sleep({delay})\nsrv.Shutdown(c)\n}}\n"
        )
    };
    for (config, delay, expected) in [
        (
            "var delay = flag.Duration(\"delay\", 5*time.Second, \"before the end\")",
            "*delay",
            "5 -",
        ),
        (
            "var delay time.Duration\nfunc init() {\nflag.DurationVar(&delay, \"delay\", 5*time.Second, \"\")\n}",
            "delay",
            "5 -",
        ),
        (
            "func flags() {\ncmd.Flags().DurationVarP(&o.delay, \"delay\", \"d\", 5*time.Second, \"\")\n}",
            "o.delay",
            "5 -",
        ),
        (
            "func init() {\nviper.SetDefault(\"delay\", \"5s\")\n}",
            "viper.GetDuration(\"delay\")",
            "5 -",
        ),
        (
            "type config struct {\nDelay time.Duration `env:\"STOP_DELAY\" envDefault:\"5s\"`\n}",
            "cfg.Delay",
            "5(STOP_DELAY) -",
        ),
        (
            "type config struct {\nDelay time.Duration `envconfig:\"STOP_DELAY\"`\n}",
            "cfg.Delay",
            "?STOP_DELAY(STOP_DELAY) -",
        ),
        ("var delay = durationEnv(\"STOP_DELAY\", 5*time.Second)", "delay", "5(STOP_DELAY) -"),
        (
            "var seconds = intEnv(\"STOP_DELAY\", 5)",
            "time.Duration(seconds) * time.Second",
            "5(STOP_DELAY) -",
        ),
        (
            "const key = \"STOP_DELAY\"\nvar delay = durationEnv(key, time.Minute)",
            "delay",
            "60(STOP_DELAY) -",
        ),
        (
            "func load() config {\nvar c config\nc.delay = 5 * time.Second\nif v := os.Getenv(\"STOP_DELAY\"); v != \"\" {\nc.delay, _ = time.ParseDuration(v)\n}\nreturn c\n}",
            "cfg.delay",
            "5(STOP_DELAY) -",
        ),
        (
            "func load() (c config, err error) {\nc.delay, err = time.ParseDuration(os.Getenv(\"STOP_DELAY\"))\nreturn\n}",
            "cfg.delay",
            "?STOP_DELAY(STOP_DELAY) -",
        ),
    ] {
        assert_shown(&main(config, delay), expected);
    }
    let told = |config: &str, delay: &str| {
        let source = main(config, delay);
        read_all(&[&[&source]]).waits_for.unwrap_or_else(|| panic!("{source}")).is_duration
    };
    assert_eq!(told("var d = env(\"STOP_DELAY\", 5*time.Second)", "d"), Some(true));
    // Written as `5s` it would be no number.
    assert_eq!(
        told("var d = env(\"STOP_DELAY\", 5)", "time.Duration(d) * time.Second"),
        Some(false)
    );
    assert_eq!(
        told(
            "var d, _ = strconv.Atoi(os.Getenv(\"STOP_DELAY\"))",
            "time.Duration(d) * time.Second"
        ),
        Some(false)
    );
}

#[test]
fn each_kind_of_server_is_ended_in_its_way() {
    for (imports, end, expected) in [
        (
            "\"google.golang.org/grpc\"",
            "state.Shutdown()\ntime.Sleep(5 * time.Second)\nserver.GracefulStop()",
            "5 -",
        ),
        ("\"github.com/labstack/echo/v4\"", "time.Sleep(5 * time.Second)\ne.Shutdown(ctx)", "5 -"),
        ("\"github.com/gofiber/fiber/v2\"", "time.Sleep(5 * time.Second)\napp.Shutdown()", "5 -"),
        (
            "\"github.com/gofiber/fiber/v2\"",
            "time.Sleep(5 * time.Second)\napp.ShutdownWithTimeout(9 * time.Second)",
            "5 9",
        ),
        // What gives gRPC a limit is none of HTTP's waits.
        (
            "\"google.golang.org/grpc\"",
            "done := make(chan struct{})\ngo func() {\nserver.GracefulStop()\nclose(done)\n}()\nselect {\ncase <-done:\ncase <-time.After(20 * time.Second):\nserver.Stop()\n}\nweb.Shutdown(ctx)",
            "0 -",
        ),
        (
            "\"google.golang.org/grpc\"",
            "time.AfterFunc(20*time.Second, func() { server.Stop() })\nserver.GracefulStop()",
            "0 -",
        ),
        // The limit of the shutdown began before the wait.
        (
            "\"net/http\"",
            "limit, cancel := context.WithTimeout(context.Background(), 25*time.Second)\ndefer cancel()\ntime.Sleep(5 * time.Second)\nsrv.Shutdown(limit)",
            "5 20",
        ),
        (
            "\"net/http\"",
            "time.Sleep(5 * time.Second)\nlimit, cancel := context.WithTimeout(context.Background(), drain)\ndefer cancel()\nsrv.Shutdown(limit)",
            "5 25",
        ),
    ] {
        let source = format!(
            "package main\nimport (\n\"context\"\n\"time\"\n{imports}\n)\nconst drain = 25 * time.Second\nfunc main() {{\ngo serve()\n<-ctx.Done()\n{end}\n}}\n"
        );
        assert_shown(&source, expected);
    }
}

#[test]
fn what_says_so_is_named() {
    let mut file = file::read(&format!(
        "package main\n{IMPORTS}func main() {{\n<-ctx.Done()\ntime.Sleep(5 * time.Second)\nsrv.Shutdown(c)\n}}\n"
    ));
    "cmd/a/main.go".clone_into(&mut file.path);
    let of = |file: &GoFile| read(&View { packages: vec![vec![file]] }).lame_duck;
    assert_eq!(of(&file), LameDuck::Known(5, "it waits in cmd/a/main.go:14".to_owned()));
    // A name that could say something to whoever reads the file.
    "cmd/{{ .Evil }}/main.go".clone_into(&mut file.path);
    let because = "it waits before its server is shut down".to_owned();
    assert_eq!(of(&file), LameDuck::Known(5, because));
}

#[test]
fn what_is_broken_or_endless_is_read_as_far_as_it_goes() {
    let long = [
        "func(".repeat(50_000),
        "func()".repeat(20_000),
        "if ".repeat(50_000),
        "for {".repeat(100_000),
        "select{case ".repeat(50_000),
        "return ".repeat(50_000),
        "f(<-".repeat(100_000),
        "a.b[0],".repeat(100_000) + "=",
        "a=".repeat(100_000),
        "x := 1 + ".repeat(100_000),
        "go defer ".repeat(100_000),
        "f(func(){".repeat(50_000) + &"})".repeat(50_000),
    ];
    for text in &long {
        let _ = read_all(&[&[&format!("func main() {{\n<-ctx.Done()\n{text}")]]);
    }
    // Many functions that call each other.
    let mut all = String::from("func main() {\n<-ctx.Done()\nf0()\n}\n");
    for n in 0..2_000 {
        all += &format!("func f{n}() {{\n");
        for other in 0..8 {
            all += &format!("f{}()\n", (n * 7 + other * 13) % 2_000);
        }
        all += "time.Sleep(time.Second)\nsrv.Shutdown(c)\n}\n";
    }
    let _ = read_all(&[&[&all]]);
}
