//! What the command line may say.

use std::path::PathBuf;

use crate::Failure;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
tests/bench/run [OPTION…]

  --only LIST       some of fanout,slow,postfix,posts,accepts,commands,bounces,import,hosts,start,growth [all]
  --members N[,N…]  members of the lists of fanout, which get one post each    [10000,100000]
  --posts N         posts to a short list                                      [1000]
  --few N           members of that list                                       [10]
  --accepts N       messages of accepts                                        [20000]
  --commands N      people who join by mail and confirm by mail                [1000]
  --bounces N       members who each bounce, twice on one day                  [2000]
  --import N        members of the rosters of import                           [1000000]
  --hosts-posts N   posts over a broker and a database                         [3000]
  --growth N[,N…]   members of the lists of growth                             [1000,100000,1000000]
  --postfix N       copies into a real Postfix, in separate transactions; ten times as many with XVERP [4000]
  --size N          octets of a post's body                                    [4096]
  --clients N       LMTP connections in                                        [10]
  --connections N   SMTP connections out                                       [10]
  --dir DIR         where the sites are made; it must lie on the disk that is to be measured [the system's temporary directory]
  --program FILE    the executable to drive; tests/bench/run gives it";

/// What to measure.
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) members: Vec<usize>,
    pub(crate) posts: usize,
    pub(crate) few: usize,
    pub(crate) accepts: usize,
    pub(crate) commands: usize,
    pub(crate) bounces: usize,
    pub(crate) import: usize,
    pub(crate) hosts_posts: usize,
    pub(crate) growth: Vec<usize>,
    pub(crate) postfix: usize,
    pub(crate) size: usize,
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments; none when help was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let mut options = Options {
            program: PathBuf::new(),
            dir: std::env::temp_dir(),
            members: vec![10_000, 100_000],
            posts: 1_000,
            few: 10,
            accepts: 20_000,
            commands: 1_000,
            bounces: 2_000,
            import: 1_000_000,
            hosts_posts: 3_000,
            growth: vec![1_000, 100_000, 1_000_000],
            postfix: 4_000,
            size: 4_096,
            clients: 10,
            connections: 10,
            only: crate::PARTS.map(|(name, _)| name.to_owned()).to_vec(),
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
        let count = |text: &str| {
            let count = text.parse::<usize>().ok().filter(|count| *count > 0);
            count.ok_or_else(|| format!("{name} {text}: not a number above 0"))
        };
        let number = || count(value);
        let numbers = || value.split(',').map(count).collect::<Result<Vec<_>, _>>();
        match name {
            "--members" => self.members = numbers()?,
            "--posts" => self.posts = number()?,
            "--few" => self.few = number()?,
            "--accepts" => self.accepts = number()?,
            "--commands" => self.commands = number()?,
            "--bounces" => self.bounces = number()?,
            "--import" => self.import = number()?,
            "--hosts-posts" => self.hosts_posts = number()?.max(100),
            "--growth" => self.growth = numbers()?,
            "--postfix" => self.postfix = number()?,
            "--size" => self.size = number()?,
            "--clients" => self.clients = number()?,
            "--connections" => self.connections = number()?,
            "--dir" => self.dir = PathBuf::from(value),
            "--program" => self.program = PathBuf::from(value),
            "--only" => {
                self.only = value.split(',').map(str::to_owned).collect();
                if let Some(odd) = self.only.iter().find(|part| crate::PARTS.iter().all(|(name, _)| name != part)) {
                    return Err(format!("--only {odd}: there is no such part").into());
                }
            }
            _ => return Err(format!("{name} is not known").into()),
        }
        Ok(())
    }

    /// This part is to be run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|wanted| wanted == part)
    }
}
