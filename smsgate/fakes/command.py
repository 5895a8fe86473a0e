"""The command `smsgate fake`: an aggregator's service on this machine, for trials."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from urllib.parse import quote, urlsplit

from smsgate import arguments
from smsgate.errors import CommandError
from smsgate.fakes import africastalking, courier, jasmin, kannel, rapidpro, twilio
from smsgate.fakes.africastalking import AfricasTalking
from smsgate.fakes.callbacks import Callbacks, Heard, Post
from smsgate.fakes.courier import Courier
from smsgate.fakes.jasmin import Jasmin
from smsgate.fakes.kannel import Kannel
from smsgate.fakes.nepal_doit import NepalDoit
from smsgate.fakes.rapidpro import RapidPro
from smsgate.fakes.serving import serving
from smsgate.fakes.trial import Mischief, Watch, greeting
from smsgate.fakes.twilio import Twilio

_PORTS = {
    "africastalking": 5989,
    "rapidpro": 5990,
    "twilio": 5991,
    "nepal-doit": 5992,
    "kannel": 5993,
    "jasmin": 5994,
    "courier": 5995,
}
_REPORTING: dict[str, type[Twilio | Kannel | Jasmin]] = {
    "twilio": Twilio,
    "kannel": Kannel,
    "jasmin": Jasmin,
}
AnyFake = AfricasTalking | RapidPro | Twilio | NepalDoit | Kannel | Jasmin | Courier
_KEY_ENV = "INCOMING_KEY"
_MOST_SECONDS = 3600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `fake` command."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="AGGREGATOR")
    _africastalking(kinds.add_parser("africastalking", help="Africa's Talking, with its callbacks"))
    _rapidpro(kinds.add_parser("rapidpro", help="RapidPro or TextIt, with the webhook of a flow"))
    for kind, words in (
        ("twilio", "Twilio, with its signed callbacks"),
        ("kannel", "Kannel's sendsms, with its delivery reports"),
        ("jasmin", "Jasmin's HTTP API, with its callbacks"),
    ):
        _calling(kinds.add_parser(kind, help=words), kind)
        _no_walks(kinds.choices[kind])
    _nepal_doit(kinds.add_parser("nepal-doit", help="the SMS service of Nepal's DoIT"))
    _courier(kinds.add_parser("courier", help="RapidPro's courier, with smsgate as its channel"))


def _shared(parser: argparse.ArgumentParser, kind: str) -> None:
    add = parser.add_argument
    port = _PORTS[kind]
    # Names of their own in the result: `port` and `host` are those of `smsgate serve`.
    add(
        "--host",
        dest="at_host",
        default="127.0.0.1",
        metavar="HOST",
        help="address to listen on (127.0.0.1)",
    )
    add(
        "--port",
        dest="at_port",
        type=arguments.port,
        default=port,
        metavar="PORT",
        help=f"port to listen on ({port})",
    )
    add("--latency", type=_milliseconds, default=0.0, metavar="MS", help="before each answer")
    add(
        "--drop-rate",
        type=arguments.share,
        default=0.0,
        metavar="F",
        help="share of messages that are taken and whose answer is lost, 0 to 1",
    )
    add(
        "--error-rate",
        type=arguments.share,
        default=0.0,
        metavar="F",
        help="share of calls answered 500, 0 to 1",
    )
    add("--seed", type=int, metavar="N", help="the same chance each time")
    add("--show", action="store_true", help="show recipients and texts, not only counts")
    add("--quiet", action="store_true", help="no line for each call and callback")
    parser.set_defaults(run=lambda _settings, args: run(args), kind=kind)


def _keyed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key", default="fake-key", help="the key it wants from smsgate (default: %(default)s)"
    )


def _called_back(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--callback", type=_address, metavar="URL", help="where smsgate is: http://127.0.0.1:5988")
    add(
        "--incoming-key-env",
        default=_KEY_ENV,
        metavar="V",
        help="variable with the incoming key that smsgate wants (default: %(default)s)",
    )
    add("--send", metavar="TEXT", help="post one message to --callback, and end")


def _calling(parser: argparse.ArgumentParser, kind: str) -> None:
    _shared(parser, kind)
    _keyed(parser)
    _called_back(parser)
    parser.add_argument(
        "--fail-rate",
        type=arguments.share,
        default=0.0,
        metavar="F",
        help="share of messages that are taken and fail later, 0 to 1",
    )
    parser.add_argument(
        "--from", dest="sender", metavar="NUMBER", help="who sends it (+254711000001)"
    )


def _no_walks(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(duplicate_rate=0.0, shuffle=1, opt_out=None)


def _nepal_doit(parser: argparse.ArgumentParser) -> None:
    _shared(parser, "nepal-doit")
    _keyed(parser)
    _no_walks(parser)
    parser.set_defaults(callback=None, send=None)


def _courier(parser: argparse.ArgumentParser) -> None:
    _shared(parser, "courier")
    _called_back(parser)
    parser.add_argument("--to", metavar="NUMBER", help="whom --send is to (+254711000001)")
    parser.add_argument(
        "--id", dest="reference", metavar="ID", default="1", help="courier's id for it (1)"
    )
    _no_walks(parser)
    parser.set_defaults(key="")


def _africastalking(parser: argparse.ArgumentParser) -> None:
    _calling(parser, "africastalking")
    add = parser.add_argument
    add(
        "--code",
        type=int,
        choices=sorted(africastalking.STATUS_OF),
        default=101,
        metavar="N",
        help="the status code each recipient gets (101)",
    )
    add(
        "--duplicate-rate",
        type=arguments.share,
        default=0.0,
        metavar="F",
        help="share of delivery reports that are posted twice, 0 to 1",
    )
    add(
        "--shuffle",
        type=_count,
        default=1,
        metavar="N",
        help="hold back N delivery reports and post them in any order (1: in order)",
    )
    add("--opt-out", metavar="NUMBER", help="post one opt-out to --callback, and end")


def _rapidpro(parser: argparse.ArgumentParser) -> None:
    _calling(parser, "rapidpro")
    parser.add_argument(
        "--api", choices=("v9", "v26"), default="v26", help="whose answers (default: %(default)s)"
    )
    _no_walks(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        CommandError: what is asked for cannot be done.
    """
    if args.callback and args.incoming_key_env not in os.environ:
        raise CommandError(
            f"put the incoming key into the environment variable {args.incoming_key_env}"
        )
    if args.send is not None or args.opt_out is not None:
        if not args.callback:
            raise CommandError("say with --callback where smsgate is")
        return asyncio.run(_post_once(args))
    return asyncio.run(_serve(args))


async def _post_once(args: argparse.Namespace) -> int:
    async with Callbacks() as callbacks:
        heard: Heard = await callbacks.now(_one_post(args))
    if not heard.status:
        print("smsgate did not answer", file=sys.stderr)
        return 1
    print(f"smsgate answered {heard.status}: {heard.body}")
    return 0 if 200 <= heard.status < 300 else 1


def _one_post(args: argparse.Namespace) -> Post:
    key = os.environ[args.incoming_key_env]
    if args.kind == "courier":
        to = args.to or "+254711000001"
        url = f"{args.callback}/api/v1/sms/rapidpro-channel/outgoing-messages"
        return courier.order(args.reference, to, args.send, url=url, authorization=f"Token {key}")
    sender = args.sender or "+254711000001"
    if args.kind in _REPORTING:
        url = f"{args.callback}/api/v1/sms/{args.kind}/incoming-messages"
        if args.kind == "twilio":
            return twilio.incoming(sender, args.send, url=url, token=key)
        text_in = kannel.incoming if args.kind == "kannel" else jasmin.incoming
        return text_in(sender, args.send, url=url, key=key)
    if args.kind == "rapidpro":
        url = f"{args.callback}/api/v2/sms/rapidpro/incoming-messages"
        return rapidpro.incoming(sender, args.send, url=url, key=key)
    if args.opt_out is not None:
        return africastalking.opt_out(args.opt_out, url=_with_key(args, "opt-outs"))
    return africastalking.incoming(sender, args.send, url=_with_key(args, "incoming-messages"))


def _with_key(args: argparse.Namespace, endpoint: str) -> str:
    key = quote(os.environ[args.incoming_key_env], safe="")
    return f"{args.callback}/api/v1/sms/africastalking/{endpoint}?key={key}"


async def _serve(args: argparse.Namespace) -> int:
    rng = random.Random(args.seed)  # noqa: S311 - what goes wrong is no secret
    service = _service(args, rng)
    service.rule = Mischief(service, rng, drop=args.drop_rate, error=args.error_rate)
    watch = Watch(sys.stdout, service, show=args.show, quiet=args.quiet)
    callbacks = Callbacks(
        parallel=1 if args.shuffle == 1 else 8,
        duplicates=args.duplicate_rate,
        shuffle=args.shuffle,
        rng=rng,
        told=watch.posted,
    )
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with callbacks, serving(service, host=args.at_host, port=args.at_port) as url:
            service.callbacks = callbacks
            print(greeting(args.kind, url, args.key, reports=bool(args.callback)), flush=True)
            await ended.wait()
    except OSError as error:
        raise CommandError(
            f"cannot listen on {args.at_host} port {args.at_port}: {error.strerror};"
            " choose another with --port"
        ) from None
    watch.end()
    print("\n".join(watch.summary()))
    return 0


def _service(args: argparse.Namespace, rng: random.Random) -> AnyFake:
    if args.kind == "courier":
        return Courier(latency=args.latency, keep=0)
    if args.kind == "nepal-doit":
        return NepalDoit(key=args.key, latency=args.latency, keep=0)
    if args.kind in _REPORTING:
        return _REPORTING[args.kind](
            key=args.key, fail_rate=args.fail_rate, rng=rng, latency=args.latency, keep=0
        )
    if args.kind == "rapidpro":
        return RapidPro(
            key=args.key,
            version=args.api,
            fail_rate=args.fail_rate,
            rng=rng,
            latency=args.latency,
            keep=0,
        )
    service = AfricasTalking(
        key=args.key,
        by_number=True,
        fail_rate=args.fail_rate,
        rng=rng,
        latency=args.latency,
        keep=0,
    )
    service.code = args.code
    service.reports_url = _with_key(args, "delivery-reports") if args.callback else ""
    return service


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError("must be an address such as http://127.0.0.1:5988")
    return text.rstrip("/")


def _milliseconds(text: str) -> float:
    return arguments.number(text, 0, _MOST_SECONDS * 1000) / 1000


def _count(text: str) -> int:
    return arguments.whole(text, 1, 10_000)
