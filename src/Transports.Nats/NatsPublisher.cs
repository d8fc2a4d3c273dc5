using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Primitives;
using NATS.Client.Core;
using Postrider.Core.Transport;
using Postrider.Pooling;
using Postrider.Publishing;

namespace Postrider.Transports.Nats;

/// <summary>
/// One writer at a time on one connection: messages go out in their order, without waiting for one answer before the next; each has its place
/// to wait (<see cref="Replies"/>). No batching and no timers: a lone message is written at once, by its own caller.
/// </summary>
internal sealed class NatsPublisher : IAsyncDisposable
{
    private const string Doing = "publish";

    /// <summary>The most that is on its way; more waits in this process.</summary>
    private const int Window = 4096;

    private const int MostRemembered = 1024;
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly Links _links;
    private readonly Subjects _subjects;
    private readonly Registry? _registry;
    private readonly SemaphoreSlim _window = new(Window, Window);
    private readonly SendQueue<PublishCall, WireMessage> _queue;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Destination, string> _known = new();

    public NatsPublisher(Links links, Subjects subjects, Registry? registry)
    {
        (_links, _subjects, _registry) = (links, subjects, registry);
        _queue = new(1, WriteAsync, static () => new ObjectDisposedException(nameof(NatsTransport)));
    }

    public string Where => _links.Where;

    /// <summary>By which the server finds duplicates. One stream has all topics, and the same message on another topic is another message.</summary>
    /// <exception cref="ArgumentException">The message's id holds half a surrogate pair.</exception>
    public static string TopicId(in OutgoingMessage message) =>
        string.Concat(message.Destination.Name, ":", HeaderText.Encode(message.DuplicateId ?? message.Envelope.Id));

    /// <summary>As <see cref="ITransport.PublishAsync"/>.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        var call = Begin();
        Route? route = null;
        for (var i = 0; i < batch.Length; i++)
        {
            if (Refuse(batch.Span[i], out var subject, out var id) is { } refused)
            {
                results.Span[i] = new(PublishStatus.Rejected, refused);
            }
            else if (IsPlain(batch.Span[i]))
            {
                Add(call, i, subject, id, batch.Span[i]);
            }
            else
            {
                route ??= new(_registry!, _subjects, batch.Length);
                if (await route.AddAsync(call, i, subject, id, batch.Slice(i, 1), cancellationToken).ConfigureAwait(false) is { } ended)
                {
                    results.Span[i] = ended;
                }
            }
        }

        if (route is { HasCopies: true })
        {
            await route.SendAsync(this, call, results, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await SendAsync(call, results, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>To be filled with messages for subjects, and sent.</summary>
    public PublishCall Begin() => _queue.Begin().Of(this);

    /// <summary>As <see cref="ITransport.PublishAsync"/>, but results of other indices stay as they are. The call is the publisher's again.</summary>
    public ValueTask SendAsync(PublishCall call, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        _queue.SendAsync(call, results, cancellationToken);

    /// <summary>A message that was on its way has its answer, or gets none.</summary>
    public void Ended() => _window.Release();

    /// <summary>What is waiting is still sent for a while; then it ends as not sent.</summary>
    public async ValueTask DisposeAsync()
    {
        _stop.CancelAfter(Farewell);
        await _queue.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>Whether it is known without a question to the server where the message goes. What is delayed for a queue gets its level when it is due.</summary>
    private bool IsPlain(in OutgoingMessage message)
    {
        var ((kind, name), envelope, delay) = message;
        var plain = Priorities.LevelOf(envelope) == Priorities.Default;
        return _registry is null
            || (kind == DestinationKind.Queue ? plain || delay > TimeSpan.Zero : plain && delay <= TimeSpan.Zero && _registry.IsRouted(name));
    }

    private void Add(PublishCall call, int index, string subject, string id, in OutgoingMessage message)
    {
        var ((kind, name), envelope, delay) = message;
        call.Add(delay > TimeSpan.Zero
            ? new(_subjects.OfDelayed(name), envelope, id, kind, index, delay)
            : new(subject, envelope, id, kind, index));
    }

    /// <summary>Why a message can never be published, or null; and what it is published to, and by which id.</summary>
    private Exception? Refuse(in OutgoingMessage message, out string subject, out string id)
    {
        (subject, id) = ("", "");
        var destination = message.Destination;
        if (!_known.TryGetValue(destination, out var known))
        {
            known = Remember(destination, out var why);
            if (known is null)
            {
                return new MessagingConfigurationException(why!);
            }
        }

        try
        {
            subject = known;
            id = destination.Kind == DestinationKind.Topic ? TopicId(message) : HeaderText.Encode(message.DuplicateId ?? message.Envelope.Id);
            return null;
        }
        catch (ArgumentException e)
        {
            return e;
        }
    }

    private async Task WriteAsync()
    {
        for (var calls = 0; _queue.TryTake(out var call); calls++)
        {
            if (calls == 1)
            {
                // The caller has its own to do, and its trace is not that of others.
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            var count = call.Count;
            for (var i = 0; i < count; i++)
            {
                try
                {
                    if (!_window.Wait(0, CancellationToken.None))
                    {
                        await _window.WaitAsync(_stop.Token).ConfigureAwait(false);
                    }
                }
                catch (OperationCanceledException)
                {
                    _queue.FailAll(call, i, new ObjectDisposedException(nameof(NatsTransport)));
                    break;
                }

                Link link;
                try
                {
                    link = await _links.GetAsync(Doing, _stop.Token).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    _window.Release();
                    _queue.FailAll(call, i, _stop.IsCancellationRequested ? new ObjectDisposedException(nameof(NatsTransport)) : e);
                    break;
                }

                await WriteAsync(link, call, i).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Hands a message to the client; it is ended here if that cannot be. The window has been entered for it.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    private async ValueTask WriteAsync(Link link, PublishCall call, int index)
    {
        var headers = Pool<NatsHeaders>.Take() ?? new(new Dictionary<string, StringValues>(StringComparer.Ordinal));
        ReplySlot? slot = null;
        try
        {
            if (!call.TryWrite(index, link, headers, ref slot, out var written))
            {
                _window.Release();
            }

            await written.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (slot is not null && link.GiveUp(slot, call))
            {
                _window.Release();
                call.Finish(call[index], e switch
                {
                    NatsPayloadTooLargeException => new(PublishStatus.Rejected, TooLarge(link, e)),
                    ArgumentException => new(PublishStatus.Rejected, e),
                    _ => new(PublishStatus.NotSent, _links.Failed(e, Doing)),
                });
            }
        }

        headers.Clear();
        Pool<NatsHeaders>.Give(headers);
    }

    private TransportException TooLarge(Link link, Exception error) => new(
        string.Create(CultureInfo.InvariantCulture,
            $"The message with its headers is larger than the server at {Where} takes (max_payload = {link.Server.MaxPayload} bytes). Raise it there, or send less."),
        TransportError.Other, error);

    private string? Remember(Destination destination, out string? why)
    {
        why = destination.Kind == DestinationKind.Topic ? Names.WhyIllegalTopic(destination.Name) : Names.WhyIllegalQueue(destination.Name);
        if (why is not null)
        {
            return null;
        }

        var subject = destination.Kind == DestinationKind.Topic ? _subjects.OfTopic(destination.Name) : _subjects.OfQueue(destination.Name);
        if (_known.Count < MostRemembered)
        {
            _known.TryAdd(destination, subject);
        }

        return subject;
    }
}
