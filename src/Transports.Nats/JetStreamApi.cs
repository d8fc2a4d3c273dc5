using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>Questions to the JetStream API, one answer each.</summary>
internal sealed class JetStreamApi(Links links)
{
    private const string Prefix = "$JS.API.";

    public Links Links => links;

    public ValueTask<Answer> StreamInfoAsync(string stream, string doing, CancellationToken cancellationToken) =>
        AskAsync("STREAM.INFO." + stream, default, doing, cancellationToken);

    /// <summary>The subjects of its messages, of those that the filter takes, are in the answer's state.</summary>
    public ValueTask<Answer> SubjectsAsync(string stream, string filter, string doing, CancellationToken cancellationToken) =>
        AskAsync("STREAM.INFO." + stream, Encoding.UTF8.GetBytes($$"""{"subjects_filter":"{{filter}}"}"""), doing, cancellationToken);

    /// <summary>The names of the streams that take messages of a subject, in parts: those from the one of that number on.</summary>
    public ValueTask<Answer> StreamNamesAsync(string subject, int first, string doing, CancellationToken cancellationToken)
    {
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"subject":"{{subject}}","offset":{{first}}}""");
        return AskAsync("STREAM.NAMES", Encoding.UTF8.GetBytes(which), doing, cancellationToken);
    }

    public ValueTask<Answer> CreateStreamAsync(string stream, ReadOnlyMemory<byte> config, string doing, CancellationToken cancellationToken) =>
        AskAsync("STREAM.CREATE." + stream, config, doing, cancellationToken);

    public ValueTask<Answer> ConsumerInfoAsync(string stream, string consumer, string doing, CancellationToken cancellationToken) =>
        AskAsync($"CONSUMER.INFO.{stream}.{consumer}", default, doing, cancellationToken);

    /// <summary>Creates a durable consumer or changes it.</summary>
    public ValueTask<Answer> PutConsumerAsync(string stream, string consumer, ReadOnlyMemory<byte> config, string doing, CancellationToken cancellationToken) =>
        AskAsync($"CONSUMER.DURABLE.CREATE.{stream}.{consumer}", config, doing, cancellationToken);

    /// <summary>Creates a consumer that the server drops when nobody listens to it.</summary>
    public ValueTask<Answer> CreateEphemeralAsync(string stream, ReadOnlyMemory<byte> config, string doing, CancellationToken cancellationToken) =>
        AskAsync("CONSUMER.CREATE." + stream, config, doing, cancellationToken);

    /// <summary>Removes the messages of a subject up to a sequence.</summary>
    public ValueTask<Answer> PurgeAsync(string stream, string subject, ulong upTo, string doing, CancellationToken cancellationToken)
    {
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"filter":"{{subject}}","seq":{{upTo + 1}}}""");
        return AskAsync("STREAM.PURGE." + stream, Encoding.UTF8.GetBytes(which), doing, cancellationToken);
    }

    /// <param name="stream">The stream.</param>
    /// <param name="which"><c>{"seq":…}</c>, <c>{"last_by_subj":…}</c> or <c>{"seq":…,"next_by_subj":…}</c>.</param>
    /// <param name="doing">For errors.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<Answer> GetMessageAsync(string stream, string which, string doing, CancellationToken cancellationToken) =>
        AskAsync("STREAM.MSG.GET." + stream, Encoding.UTF8.GetBytes(which), doing, cancellationToken);

    /// <summary>Headers with which a message is stored only if the last one of its subject is the expected one; 0: if there is none.</summary>
    public static NatsHeaders Expecting(ulong sequence) => new() { ["Nats-Expected-Last-Subject-Sequence"] = sequence.ToString(CultureInfo.InvariantCulture) };

    /// <summary>Stores a message if the last one of its subject is the expected one (0: if there is none); else 0, or its sequence.</summary>
    public async ValueTask<ulong> PutAsync(string subject, ReadOnlyMemory<byte> body, ulong? expected, string doing, CancellationToken cancellationToken) =>
        await StoreAsync(subject, body, expected is { } sequence ? Expecting(sequence) : [], doing, cancellationToken).ConfigureAwait(false)
        ?? throw new TransportException($"Cannot {doing} on NATS at {links.Where}: the stream of '{subject}' is missing. Declare first.", TransportError.TopologyMismatch);

    /// <summary>Stores a message: its sequence; 0 if the headers expect another one before it; null if no stream takes it.</summary>
    public async ValueTask<ulong?> StoreAsync(string subject, ReadOnlyMemory<byte> body, NatsHeaders headers, string doing, CancellationToken cancellationToken)
    {
        var link = await links.GetAsync(doing, cancellationToken).ConfigureAwait(false);
        var (status, payload) = await new Question().AskAsync(links, link, subject, body, headers, doing, cancellationToken).ConfigureAwait(false);
        if (status == 503)
        {
            return null;
        }

        var answer = new Answer(JsonDocument.Parse(payload).RootElement);
        return answer.ErrorCode == NatsErrors.WrongLastSequence ? 0 : answer.OrThrow(doing, links.Where).Root.GetProperty("seq").GetUInt64();
    }

    /// <summary>Deletes a message; false if it is gone already.</summary>
    public async ValueTask<bool> DeleteMessageAsync(string stream, ulong sequence, string doing, CancellationToken cancellationToken)
    {
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{sequence}},"no_erase":true}""");
        var answer = await AskAsync("STREAM.MSG.DELETE." + stream, Encoding.UTF8.GetBytes(which), doing, cancellationToken).ConfigureAwait(false);
        if (answer.IsError && answer.ErrorCode is not (NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound or NatsErrors.DeleteFailed))
        {
            throw answer.Error(doing, links.Where);
        }

        return !answer.IsError;
    }

    /// <summary>Tells what becomes of a message, and waits until the server has taken note.</summary>
    public async ValueTask TellAsync(Link link, string ackSubject, ReadOnlyMemory<byte> what, string doing, CancellationToken cancellationToken) =>
        await new Question().AskAsync(links, link, ackSubject, what, null, doing, cancellationToken).ConfigureAwait(false);

    public static string NextSubject(string stream, string consumer) => $"{Prefix}CONSUMER.MSG.NEXT.{stream}.{consumer}";

    /// <exception cref="TransportException">There is no connection, no answer came, or nobody answers for JetStream.</exception>
    private async ValueTask<Answer> AskAsync(string what, ReadOnlyMemory<byte> body, string doing, CancellationToken cancellationToken)
    {
        var link = await links.GetAsync(doing, cancellationToken).ConfigureAwait(false);
        var (status, payload) = await new Question().AskAsync(links, link, Prefix + what, body, null, doing, cancellationToken).ConfigureAwait(false);
        if (status == 503)
        {
            throw link.Server.JetStreamAvailable ? NatsErrors.Lost(doing, links.Where) : NatsErrors.NoJetStream(doing, links.Where);
        }

        try
        {
            return new(JsonDocument.Parse(payload).RootElement);
        }
        catch (JsonException e)
        {
            throw new TransportException($"Cannot {doing} on NATS at {links.Where}: the server's answer cannot be read.", TransportError.Other, e);
        }
    }

    private sealed class Question : IAwaiting
    {
        private readonly TaskCompletionSource<(int Status, byte[] Payload)> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private string? _subject;

        public async ValueTask<(int Status, byte[] Payload)> AskAsync(
            Links links, Link link, string subject, ReadOnlyMemory<byte> body, NatsHeaders? headers, string doing, CancellationToken cancellationToken)
        {
            _subject = subject;
            var slot = link.Await(this, 0);
            try
            {
                await link.WriteAsync(subject, body, headers, slot.Subject, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (link.GiveUp(slot, this))
            {
                throw cancellationToken.IsCancellationRequested ? e : links.Failed(e, doing);
            }
            catch (Exception)
            {
                // The loss of the connection has been told, and says more.
            }

            try
            {
                return await _answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException e)
            {
                throw e.Reason switch
                {
                    TransportError.CredentialsRefused => NatsErrors.NotAllowed(subject, doing, links.Where),
                    TransportError.Timeout => NatsErrors.TimedOut(doing, links.Where),
                    _ => NatsErrors.Lost(doing, links.Where),
                };
            }
            finally
            {
                // The slot itself is free when the answer comes.
                slot.End(this);
            }
        }

        public bool IsAbout(string subject) => subject == _subject;

        public void Answered(int item, int status, in ReadOnlySequence<byte> payload) => _answer.TrySetResult((status, payload.ToArray()));

        public void Lost(int item, Exception error) => _answer.TrySetException(error);
    }
}

/// <summary>What the JetStream API answered.</summary>
internal readonly struct Answer(JsonElement root)
{
    public JsonElement Root { get; } = root;

    public bool IsError => Root.TryGetProperty("error", out _);

    public int ErrorCode => Root.TryGetProperty("error", out var error) && error.TryGetProperty("err_code", out var code) ? code.GetInt32() : 0;

    public TransportException Error(string doing, string where)
    {
        var error = Root.GetProperty("error");
        return NatsErrors.OfAnswer(
            error.TryGetProperty("code", out var code) ? code.GetInt32() : 0, ErrorCode,
            error.TryGetProperty("description", out var text) ? text.GetString() ?? "" : "", doing, where);
    }

    public Answer OrThrow(string doing, string where) => IsError ? throw Error(doing, where) : this;
}
