//! The alternatives to Haul, set up for speed as their own documentation advises.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use rustix::process::geteuid;

use crate::Result;
use crate::data::Place;
use crate::install::{Origin, Programs};
use crate::process::{Server, free_port};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    Nginx,
    Vsftpd,
    Rsyncd,
    Sshd,
    Dufs,
    Miniserve,
}

/// The client of several of them.
const CURL: (&str, Origin) = ("curl", Origin::Apt(&["curl"]));
const DAV_MODULE: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

impl Peer {
    /// The programs of the server and of its clients.
    fn needs(self) -> Vec<(&'static str, Origin)> {
        match self {
            Self::Nginx => {
                vec![("nginx", Origin::Apt(&["nginx", "libnginx-mod-http-dav-ext"])), CURL]
            }
            Self::Vsftpd => {
                vec![("vsftpd", Origin::Apt(&["vsftpd"])), CURL, ("lftp", Origin::Apt(&["lftp"]))]
            }
            Self::Rsyncd => vec![("rsync", Origin::Apt(&["rsync"]))],
            Self::Sshd => vec![
                ("sshd", Origin::Apt(&["openssh-server"])),
                ("scp", Origin::Apt(&["openssh-client"])),
                ("ssh-keygen", Origin::Apt(&["openssh-client"])),
            ],
            Self::Dufs => vec![("dufs", Origin::Crate("dufs")), CURL],
            Self::Miniserve => vec![("miniserve", Origin::Crate("miniserve")), CURL],
        }
    }

    /// Starts the server on the shared directory.
    pub(crate) fn start(self, programs: &Programs, place: &Place) -> Result<Server> {
        let mut paths = Vec::new();
        for (program, origin) in self.needs() {
            paths.push(programs.need(program, origin)?);
        }
        let server = paths.first().ok_or("no program")?;
        let port = free_port()?;
        let mut command = match self {
            Self::Nginx => nginx(server, place, port)?,
            Self::Vsftpd => vsftpd(server, place, port)?,
            Self::Rsyncd => rsyncd(server, place, port)?,
            Self::Sshd => sshd(server, paths.last().ok_or("no program")?, place, port)?,
            Self::Dufs => {
                let mut command = Command::new(server);
                command.args([
                    "-A",
                    "--log-format",
                    "",
                    "-b",
                    "127.0.0.1",
                    "-p",
                    &port.to_string(),
                ]);
                command.arg(place.share());
                command
            }
            Self::Miniserve => {
                let mut command = Command::new(server);
                command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "-o", "overwrite"]);
                command.arg(place.share());
                command
            }
        };
        Server::start(&mut command, port)
    }
}

/// One worker for each core, sendfile, few system calls for a repeated file. Bodies are staged where a rename can
/// publish them.
fn nginx(program: &Path, place: &Place, port: u16) -> Result<Command> {
    let (share, run) = (place.share(), place.run("nginx"));
    let (share, run) = (share.display(), run.display());
    fs::create_dir_all(place.run("nginx"))?;
    let mut config = String::new();
    if Path::new(DAV_MODULE).exists() {
        writeln!(config, "load_module {DAV_MODULE};")?;
    }
    if geteuid().is_root() {
        writeln!(config, "user root;")?;
    }
    write!(
        config,
        "daemon off;
worker_processes auto;
worker_rlimit_nofile 100000;
pid {run}/pid;
error_log {run}/error.log;
events {{ worker_connections 20000; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=20000;
  client_max_body_size 0;
  client_body_buffer_size 256k;
  client_body_temp_path {run}/bodies;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {share};
    dav_methods PUT DELETE MKCOL;
    create_full_put_path on;
  }}
}}
"
    )?;
    let path = write_config(place, "nginx/nginx.conf", &config)?;
    let mut command = Command::new(program);
    command.arg("-c").arg(path);
    Ok(command)
}

fn vsftpd(program: &Path, place: &Place, port: u16) -> Result<Command> {
    if !geteuid().is_root() {
        return Err("vsftpd needs root".into());
    }
    fs::create_dir_all("/var/run/vsftpd/empty")?;
    let share = place.share();
    let share = share.display();
    let config = format!(
        "listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={share}
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
use_sendfile=YES
seccomp_sandbox=NO
secure_chroot_dir=/var/run/vsftpd/empty
ftp_username=ftp
"
    );
    let path = write_config(place, "vsftpd.conf", &config)?;
    let mut command = Command::new(program);
    command.arg(path);
    Ok(command)
}

fn rsyncd(program: &Path, place: &Place, port: u16) -> Result<Command> {
    let owner = if geteuid().is_root() { "uid = root\ngid = root\n" } else { "" };
    let share = place.share();
    let config = format!(
        "address = 127.0.0.1
use chroot = no
{owner}[share]
path = {}
read only = no
",
        share.display()
    );
    let path = write_config(place, "rsyncd.conf", &config)?;
    let mut command = Command::new(program);
    command.args(["--daemon", "--no-detach", "--port", &port.to_string(), "--config"]).arg(path);
    Ok(command)
}

/// Uses the fastest cipher for processors with AES instructions.
fn sshd(program: &Path, keygen: &Path, place: &Place, port: u16) -> Result<Command> {
    let folder = place.run("ssh");
    fs::create_dir_all(&folder)?;
    if geteuid().is_root() {
        fs::create_dir_all("/run/sshd")?;
    }
    for key in ["host", "user"] {
        let file = folder.join(key);
        if !file.exists() {
            let mut made = Command::new(keygen);
            if !made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status()?.success() {
                return Err("ssh-keygen makes no key".into());
            }
        }
    }
    let run = folder.display();
    let config = format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey {run}/host
AuthorizedKeysFile {run}/user.pub
PermitRootLogin yes
StrictModes no
PidFile none
Subsystem sftp internal-sftp
"
    );
    let path = write_config(place, "ssh/sshd_config", &config)?;
    let client = format!(
        "Host peer
HostName 127.0.0.1
Port {port}
IdentityFile {run}/user
Ciphers aes128-gcm@openssh.com
Compression no
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
"
    );
    write_config(place, "ssh/config", &client)?;
    let mut command = Command::new(program);
    command.arg("-D").arg("-f").arg(path);
    Ok(command)
}

fn write_config(place: &Place, name: &str, content: &str) -> Result<PathBuf> {
    let path = place.run(name);
    fs::write(&path, content)?;
    Ok(path)
}
