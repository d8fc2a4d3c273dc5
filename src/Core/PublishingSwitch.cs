using System.Collections.Immutable;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>
/// Switches publishing and sending off and on: for everything, for a type or for a topic, until further notice or within a scope. One per host, from
/// dependency injection; thread-safe.
/// </summary>
/// <remarks>
/// <para>A scope counts before a topic, a topic before a type, a type before the switch for everything. What is not switched by itself follows that one,
/// whenever it was first used.</para>
/// <para>A message that is switched off ends as <see cref="PublishStatus.Suppressed"/>: no middleware and no broker sees it, and
/// <c>postrider.suppressed</c> counts it. Retries, dead letters and the faults that requesters are told of are no publishes: nothing switches them off.</para>
/// </remarks>
public sealed class PublishingSwitch
{
    private readonly AsyncLocal<Scope?> _scope = new();
    private ImmutableDictionary<string, bool> _topics = ImmutableDictionary<string, bool>.Empty;
    private ImmutableDictionary<string, bool> _types = ImmutableDictionary<string, bool>.Empty;
    private volatile bool _isOff;

    /// <summary>Whether what is not switched by itself is published.</summary>
    public bool IsOn
    {
        get => !_isOff;
        set => _isOff = !value;
    }

    /// <summary>Switches a message type.</summary>
    /// <param name="isOn">Null: it follows <see cref="IsOn"/>.</param>
    /// <exception cref="MessagingConfigurationException">It is text or bytes, which have no name: switch their topics.</exception>
    public void Set<TMessage>(bool? isOn)
        where TMessage : notnull => Set(ref _types, NameOf<TMessage>(), isOn);

    /// <summary>Switches a topic, exactly this one.</summary>
    /// <param name="topic">Its name.</param>
    /// <param name="isOn">Null: its messages follow their types.</param>
    public void SetTopic(string topic, bool? isOn)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        Set(ref _topics, topic, isOn);
    }

    /// <summary>Publishes nothing until the returned scope is disposed of, in this flow of asynchronous calls. An inner scope counts before an outer one.</summary>
    public IDisposable Suppress() => Begin(null, null, isOn: false);

    /// <summary>As <see cref="Suppress()"/>, for one message type.</summary>
    public IDisposable Suppress<TMessage>()
        where TMessage : notnull => Begin(NameOf<TMessage>(), null, isOn: false);

    /// <summary>As <see cref="Suppress()"/>, for one topic.</summary>
    public IDisposable SuppressTopic(string topic) => Begin(null, topic, isOn: false);

    /// <summary>Publishes everything until the returned scope is disposed of, in this flow of asynchronous calls.</summary>
    public IDisposable Allow() => Begin(null, null, isOn: true);

    /// <summary>As <see cref="Allow()"/>, for one message type.</summary>
    public IDisposable Allow<TMessage>()
        where TMessage : notnull => Begin(NameOf<TMessage>(), null, isOn: true);

    /// <summary>As <see cref="Allow()"/>, for one topic.</summary>
    public IDisposable AllowTopic(string topic) => Begin(null, topic, isOn: true);

    internal bool Suppresses(string? type, Destination destination)
    {
        var topic = destination.Kind == DestinationKind.Topic ? destination.Name : null;
        for (var scope = _scope.Value; scope is not null; scope = scope.Outer)
        {
            if (!scope.IsOver && (scope.Type is null || scope.Type == type) && (scope.Topic is null || scope.Topic == topic))
            {
                return !scope.IsOn;
            }
        }

        if (topic is not null && Volatile.Read(ref _topics).TryGetValue(topic, out var isOn))
        {
            return !isOn;
        }

        return type is not null && Volatile.Read(ref _types).TryGetValue(type, out isOn) ? !isOn : _isOff;
    }

    private static string NameOf<TMessage>()
        where TMessage : notnull =>
        MessageType<TMessage>.Instance.Name ?? throw new MessagingConfigurationException("Text and bytes have no type to switch. Switch their topics.");

    private static void Set(ref ImmutableDictionary<string, bool> switches, string name, bool? isOn) => ImmutableInterlocked.Update(
        ref switches, static (all, one) => one.IsOn is { } isOn ? all.SetItem(one.Name, isOn) : all.Remove(one.Name), (Name: name, IsOn: isOn));

    private Scope Begin(string? type, string? topic, bool isOn)
    {
        var scope = new Scope(this, _scope.Value, type, topic, isOn);
        _scope.Value = scope;
        return scope;
    }

    private sealed class Scope(PublishingSwitch owner, Scope? outer, string? type, string? topic, bool isOn) : IDisposable
    {
        private volatile bool _isOver;

        public Scope? Outer { get; } = outer;

        public string? Type { get; } = type;

        public string? Topic { get; } = topic;

        public bool IsOn { get; } = isOn;

        /// <summary>For flows that began inside the scope and outlive it.</summary>
        public bool IsOver => _isOver;

        public void Dispose()
        {
            _isOver = true;
            if (owner._scope.Value == this)
            {
                owner._scope.Value = Outer;
            }
        }
    }
}
