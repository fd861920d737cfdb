//! What the command line may say.

use std::path::PathBuf;

use crate::Failure;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
tests/bench/run [OPTION…]

  --members N       members of the list in (a), which gets one post            [10000]
  --posts N         posts in (b)                                               [1000]
  --few N           members of the list in (b)                                 [10]
  --import N[,N…]   roster sizes of the import runs                            [100000,1000000]
  --post-up-to N    after an import, one post to all, up to this many members  [100000]
  --size N          octets of a post's body                                    [4096]
  --connections N   LMTP connections in, SMTP connections out                  [10]
  --commands N      people who join by mail and confirm by mail                [1000]
  --bounces N       members who each bounce, twice on one day                  [2000]
  --hosts-posts N   posts over a broker and a database                         [3000]
  --only LIST       some of a,b,import,commands,bounces,hosts                  [all but hosts]
  --dir DIR         where the sites are made; it must lie on the disk that is to be measured [the system's temporary directory]
  --program FILE    the executable to drive; tests/bench/run gives it";

/// What to measure.
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) members: usize,
    pub(crate) posts: usize,
    pub(crate) few: usize,
    pub(crate) imports: Vec<usize>,
    pub(crate) post_up_to: usize,
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) commands: usize,
    pub(crate) bounces: usize,
    pub(crate) hosts_posts: usize,
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments; none when help was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let mut options = Options {
            program: PathBuf::new(),
            dir: std::env::temp_dir(),
            members: 10_000,
            posts: 1_000,
            few: 10,
            imports: vec![100_000, 1_000_000],
            post_up_to: 100_000,
            size: 4_096,
            connections: 10,
            commands: 1_000,
            bounces: 2_000,
            hosts_posts: 3_000,
            only: ["a", "b", "import", "commands", "bounces"].map(str::to_owned).to_vec(),
        };
        while let Some(name) = arguments.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
            options.set(&name, &value)?;
        }
        if options.program.as_os_str().is_empty() {
            return Err("--program is missing".into());
        }
        options.program = std::path::absolute(&options.program)?;
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let number = || value.parse::<usize>().map_err(|_| format!("{name} {value}: not a number"));
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match name {
            "--members" => self.members = number()?,
            "--posts" => self.posts = number()?,
            "--few" => self.few = number()?,
            "--post-up-to" => self.post_up_to = number()?,
            "--size" => self.size = number()?,
            "--connections" => self.connections = number()?.max(1),
            "--commands" => self.commands = number()?.max(1),
            "--bounces" => self.bounces = number()?.max(1),
            "--hosts-posts" => self.hosts_posts = number()?.max(100),
            "--import" => self.imports = list().iter().map(|one| one.parse()).collect::<Result<_, _>>()?,
            "--only" => self.only = list(),
            "--dir" => self.dir = PathBuf::from(value),
            "--program" => self.program = PathBuf::from(value),
            _ => return Err(format!("{name} is not known").into()),
        }
        Ok(())
    }

    /// This part is to be run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|wanted| wanted == part)
    }
}
